"""Cuts a table's parts into chunks. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.parts import Part

SMALL_ROWS = 1_000_000
"""Partitions below one insert block share a chunk: one block gives one part per target partition either way."""
SMALL_BYTES = 64 << 20
"""The same in bytes on disk."""
MOST_PARTS = 1000
"""Parts in one chunk; their names stand in the statement."""
FEW_CHUNKS = 16
"""Chunks that a table is cut into at least, where that leaves each an insert block: the copy tells how it goes on."""
INSERT_ROWS = 2_500_000
"""Rows that one INSERT takes about: a larger part is read in pieces, so that a table of one part shows how far it is.
Pieces of a million rows cost a third more CPU time (each leaves parts that are merged), these a fifth."""
MOST_CHUNKS = 256
"""Chunks of a large table: each is a staging table until the copy is complete, so chunks grow with the table."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Parts that are copied together."""

    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows in the parts, those that a lightweight delete has hidden included."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """Size of the parts on disk."""
        return sum(part.bytes for part in self.parts)

    @property
    def partitions(self) -> tuple[str, ...]:
        """Source partitions, sorted."""
        return tuple(sorted({part.partition for part in self.parts}))

    @property
    def exact(self) -> bool:
        """True where ``rows`` is what a SELECT has to find."""
        return not any(part.masked for part in self.parts)


def cut_chunks(
    parts: Iterable[Part],
    *,
    rows: int,
    size: int,
    ordered: bool,
    between: Iterable[Part] = (),
    by_partition: bool = False,
) -> tuple[Chunk, ...]:
    """Chunks of at most ``rows`` rows and ``size`` bytes (a single part may exceed both).

    In the order of partitions (``inserts`` says how a chunk is read); ``ordered``: by block number across partitions,
    because the order of rows decides which of them survives. No chunk then reaches over a part of ``between`` (those
    that other chunks hold). ``by_partition``: blocks are numbered in each partition anew (a replicated table), so a
    chunk may reach over one of another partition.
    """
    # A patch part has no rows of its own: what it changes is read with the rows that it changes.
    copied = [part for part in parts if not part.patch]
    if ordered:
        return tuple(chunk for run in _runs(copied, between, by_partition) for chunk in _pack(run, rows, size))
    return tuple(
        chunk for half in _halves(copied) for chunk in _pack([part for group in half for part in group], rows, size)
    )


def bounds(parts: Iterable[Part], rows: int, size: int) -> tuple[int, int]:
    """``rows`` and ``size`` of a chunk at most, less for a table of these parts that would have fewer than
    ``FEW_CHUNKS``, and more for one that would have more than ``MOST_CHUNKS``."""
    listed = list(parts)
    return _bound(sum(part.rows for part in listed), rows, SMALL_ROWS), _bound(
        sum(part.bytes for part in listed), size, SMALL_BYTES
    )


def _bound(total: int, most: int, least: int) -> int:
    return max(min(most, max(total // FEW_CHUNKS, least)), total // MOST_CHUNKS)


def pieces(selected: Sequence[Part]) -> tuple[tuple[int, int] | None, ...]:
    """The ranges of rows (``_part_offset``) in which a part is read, None for all of it: only a part that stands alone
    and is larger than one INSERT should be has more than one."""
    rows = sum(part.rows for part in selected)
    count = -(-rows // INSERT_ROWS)
    if len(selected) != 1 or count < 2:
        return (None,)
    step = -(-rows // count)
    return tuple((first, first + step) for first in range(0, rows, step))


def inserts(chunk: Chunk) -> tuple[tuple[Part, ...], ...]:
    """The parts of a chunk as they are read, one INSERT each: partition by partition, which is fastest and keeps new
    parts few."""
    # A block that holds rows of many partitions is cut into as many parts. So only small partitions share an INSERT.
    large, small = _halves(chunk.parts)
    packed = _pack([part for group in small for part in group], SMALL_ROWS, sys.maxsize)
    return (*(tuple(group) for group in large), *(run.parts for run in packed))


def _runs(parts: Iterable[Part], between: Iterable[Part], by_partition: bool) -> list[list[Part]]:
    """In the order of blocks, cut where a part of ``between`` lies: a chunk that reached over a part of another one
    would put later rows before earlier ones."""
    runs: list[list[Part]] = [[]]
    held, shut = set[str](), set[str]()
    marked = [(part, True) for part in parts] + [(part, False) for part in between]
    for part, wanted in sorted(marked, key=lambda pair: (pair[0].first, pair[0].last, pair[0].partition)):
        sequence = part.partition if by_partition else ""
        if not wanted:
            shut |= held & {sequence}
            continue
        if sequence in shut:
            runs.append([])
            held, shut = set[str](), set[str]()
        held.add(sequence)
        runs[-1].append(part)
    return runs


def _halves(parts: Iterable[Part]) -> tuple[list[list[Part]], list[list[Part]]]:
    """The parts of partitions that fill an insert block, and those of the others, partition by partition."""
    groups: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda part: (part.partition, part.first)):
        groups.setdefault(part.partition, []).append(part)
    filled = [sum(part.rows for part in group) >= SMALL_ROWS for group in groups.values()]
    listed = list(zip(filled, groups.values(), strict=True))
    return [group for large, group in listed if large], [group for large, group in listed if not large]


def sequences(chunk: Chunk) -> tuple[tuple[Part, ...], ...]:
    """The parts of a chunk in runs that fit into one insert block each (a large part is a run of its own), in their
    order."""
    return tuple(run.parts for run in _pack(chunk.parts, SMALL_ROWS, SMALL_BYTES))


def _pack(parts: Sequence[Part], rows: int, size: int) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    current: list[Part] = []
    held_rows = held_bytes = 0
    for part in parts:
        # A part is the smallest thing that a chunk counts by: half of one could not be told from the other half after a
        # kill.
        full = held_rows + part.rows > rows or held_bytes + part.bytes > size
        if current and (full or len(current) == MOST_PARTS):
            chunks.append(Chunk(tuple(current)))
            current, held_rows, held_bytes = [], 0, 0
        current.append(part)
        held_rows += part.rows
        held_bytes += part.bytes
    if current:
        chunks.append(Chunk(tuple(current)))
    return tuple(chunks)


def highest(parts: Iterable[Part], floor: int = -1) -> int:
    """The highest block number: what is committed later has a higher one, because numbers are given out under the lock
    of the parts (MergeTree without replication: one sequence for the whole table)."""
    return max((part.last for part in parts), default=floor)
