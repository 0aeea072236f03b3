"""Chooses the parts for a rehearsal: the smallest part of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aaiclick.routine import Query, Routine, number, text

MOST_PARTS = 200
"""ATTACH takes whole partitions: so many hard-linked parts are made at most (about a millisecond each), before the
others are dropped again."""
MOST_FILES = 20_000
MOST_KINDS = 6
# The columns of every part are listed one by one by the server.
_MOST_LISTED = 200_000

_PARTS = """
SELECT 'part', name, partition_id, toUInt64(bytes_on_disk), toUInt64(startsWith(name, 'patch-')),
    concat(toString(part_type), if(has_lightweight_delete, ' with deleted rows', ''), ' ',
        arrayStringConcat(arraySort(projections), ','))
FROM system.parts WHERE active AND rows > 0 AND database = {database:String} AND table = {table:String}"""
_COLUMNS = """
SELECT 'columns', name, '', toUInt64(0), toUInt64(0), toString(sum(cityHash64(column, type)))
FROM system.parts_columns WHERE active AND database = {database:String} AND table = {table:String} GROUP BY name"""


@dataclass(frozen=True, slots=True)
class LivePart:
    """An active part that holds rows."""

    name: str
    """Its name."""
    partition: str
    """Its partition id."""
    bytes: int
    """Bytes on disk, compressed."""
    kind: str
    """What tells it from other parts: how it is stored, and what it holds."""
    patch: bool = False
    """True for a patch part, which holds values of lightweight UPDATEs."""


def live_parts(database: str, table: str, parts: int, columns: int) -> Routine[tuple[LivePart, ...]]:
    """The parts of a table. ``parts`` and ``columns`` are about how many it has: with very many of them, the columns of
    each part are not read."""
    asked = [_PARTS, _COLUMNS] if parts * columns <= _MOST_LISTED else [_PARTS]
    rows = yield Query(" UNION ALL ".join(asked), {"database": database, "table": table})
    held = {text(row[1]): text(row[5]) for row in rows if row[0] == "columns"}
    found = (
        LivePart(
            text(row[1]),
            text(row[2]),
            number(row[3]),
            f"{text(row[5])} {held.get(text(row[1]), '')}".strip(),
            bool(number(row[4])),
        )
        for row in rows
        if row[0] == "part"
    )
    return tuple(sorted(found, key=lambda part: part.name))


def smallest_of_each_kind(parts: Iterable[LivePart]) -> tuple[LivePart, ...]:
    """The smallest part of each kind, for up to ``MOST_KINDS`` kinds."""
    found: dict[str, LivePart] = {}
    # The smallest first: a mutation of it is the quickest.
    for part in sorted(parts, key=lambda part: (part.bytes, part.name)):
        found.setdefault(part.kind, part)
    return tuple(found.values())[:MOST_KINDS]


def partitions(parts: Sequence[LivePart], columns: int) -> tuple[str, ...]:
    """Partitions to attach so that there is a part of each kind, those with few parts first; none where all have too
    many.

    A partition with patch parts cannot be attached.
    """
    # A wide part has about two files for each column, and each hard link is an entry in the directory.
    most = min(MOST_PARTS, MOST_FILES // (2 * columns + 8))
    # A patch partition is called patch-<hash of the columns>-<id of the partition whose rows it updates>.
    patched = {part.partition.split("-", 2)[-1] for part in parts if part.patch}
    inside: dict[str, list[LivePart]] = {}
    for part in parts:
        if not part.patch and part.partition not in patched:
            inside.setdefault(part.partition, []).append(part)
    chosen: list[str] = []
    seen: set[str] = set()
    count = 0
    for partition, members in sorted(
        inside.items(), key=lambda entry: (len(entry[1]), min(part.bytes for part in entry[1]), entry[0])
    ):
        kinds = {part.kind for part in members}
        if kinds <= seen or count + len(members) > most or len(seen) >= MOST_KINDS:
            continue
        chosen.append(partition)
        seen |= kinds
        count += len(members)
    return tuple(chosen)
