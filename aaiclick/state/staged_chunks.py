"""What the filled staging tables of a copy hold, and which parts of the source are still missing.

Each of them says in its own comment what it was filled with, so it outlives the run that filled it: nothing is copied
twice as long as the parts it was read from are there with the same content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from aaiclick.clickhouse.merges import NO_MERGES
from aaiclick.clickhouse.names import PREFIX
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.statements import ask, ddl
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Routine, number, text
from aaiclick.sql.clauses import modify_comment, reset_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.hex_text import hexed, size_setting
from aaiclick.sql.quoting import qualified
from aaiclick.state.comments import CommentFormat

STAGE_PREFIX = f"{PREFIX}stage_"
FORMAT = 1
Source: TypeAlias = tuple[str, int, int, str]
"""Partition, block range and content of a part."""


@dataclass(frozen=True, slots=True)
class StagedChunk:
    """A staging table that is filled, and compared with what it was read from."""

    name: str
    """Of the staging table."""
    source: str
    """UUID of the storage that it was read from."""
    digest: str
    """Names the copy that it belongs to."""
    parts: tuple[Source, ...]
    """What was read."""
    rows: int
    """How many it holds."""
    state: Literal["filled"] = "filled"
    """There is no other."""
    format: int = FORMAT
    """Of the comment."""

    @property
    def first(self) -> int:
        """The lowest block number in it."""
        return min((part[1] for part in self.parts), default=-1)


@dataclass(frozen=True, slots=True)
class StagedCopy:
    """What a staging table says from its first moment on: a name alone makes no table ours."""

    source: str
    """UUID of the storage that it is filled from."""
    state: Literal["filling"] = "filling"
    """There is no other; it says ``StagedChunk`` once it is filled."""
    format: int = FORMAT
    """Of the comment. Earlier releases read none, and take the table for one that is not filled."""


COMMENT = CommentFormat(StagedChunk)
BEGUN = CommentFormat(StagedCopy)


@cache
def _work() -> TypeAdapter[RebuildWork]:
    # Made on first use: it takes as long as a tenth of all imports, and a start with nothing to do has none.
    return TypeAdapter(RebuildWork)


def write_staged_chunk(database: str, filled: StagedChunk, *, merge: bool) -> Routine[None]:
    """Let a compared staging table say what it holds; from then on it is never filled again. ``merge``: its parts may
    be merged from now on."""
    # One ALTER for both: merges begin only where the comment says that the table was compared.
    changes = [modify_comment(COMMENT.dump(filled))]
    if merge:
        changes.append(reset_setting(*(name for name, _ in NO_MERGES if "ttl" not in name)))
    sql = alter_table(qualified(database, filled.name), *changes)
    yield from ddl(sql, size_setting(sql))


def parse_staged_chunk(name: str, comment: str) -> StagedChunk | None:
    """What the comment of a staging table says; None where it does not say that it was filled."""
    filled = COMMENT.load(comment)
    return replace(filled, name=name) if filled is not None and filled.format == FORMAT else None


def filled_chunks(staged_in: str) -> Routine[Mapping[str, StagedChunk]]:
    """What the tables of a database of one host hold that were filled, and hold as many rows as they did then. What was
    not filled to its end says nothing of what it holds."""
    rows = yield from ask(
        "SELECT name, comment, toInt64(coalesce(total_rows, 0)) FROM system.tables WHERE database = unhex({db:String}) "
        "ORDER BY name",
        {"db": hexed(staged_in)},
    )
    read = ((text(name), parse_staged_chunk(text(name), text(comment)), number(count)) for name, comment, count in rows)
    return {name: filled for name, filled, count in read if filled is not None and filled.rows == count}


def filled_from(comment: str) -> str:
    """UUID of the storage that a staging table is, or was, filled from; '' where its comment does not say so."""
    said = BEGUN.load(comment) or COMMENT.load(comment)
    return said.source if said is not None else ""


def work_digest(work: RebuildWork, *more: str) -> str:
    """Names a copy: the new form, what is read from the old rows, which of them. How writers are kept out makes no
    difference to it, nor does what a rollback would need, or what was looked at before."""
    said = _work().dump_json(replace(work, fenced=False, keeps_ttl=False), exclude={"back", "guards", "seen", "looks"})
    return hashlib.blake2s(
        "\0".join([said.decode(), *more]).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def sources(parts: Iterable[Part]) -> tuple[Source, ...]:
    """How parts are written down."""
    return tuple((*part.key, part.content) for part in parts)


def divide(
    staged: Iterable[StagedChunk], present: Iterable[Part]
) -> tuple[tuple[StagedChunk, ...], tuple[StagedChunk, ...]]:
    """The chunks whose parts are all there unchanged, and those with rows that were deleted or changed since.

    Two runs may have copied the same parts: one that was paused for longer than its lease and went on, and its
    successor. Each part counts in one chunk alone, else its rows would be there twice; the other chunks are stale.
    """
    there = set(sources(present))
    taken: set[Source] = set()
    good: list[StagedChunk] = []
    stale: list[StagedChunk] = []
    for filled in staged:
        # By content as well: a mutation gives a part other rows under the same block numbers.
        if there.issuperset(filled.parts) and taken.isdisjoint(filled.parts):
            taken.update(filled.parts)
            good.append(filled)
        else:
            stale.append(filled)
    return tuple(good), tuple(stale)


def covered(staged: Iterable[StagedChunk], present: Iterable[Part]) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The parts that are in some staging table, and those that have to be copied yet (patch parts are in neither)."""
    # By blocks, not by content: chunks with parts that were changed since are not among them (``divide``).
    held = {part[:3] for filled in staged for part in filled.parts}
    rows = [part for part in present if not part.patch]
    return tuple(part for part in rows if part.key in held), tuple(part for part in rows if part.key not in held)


def by_block(staged: Iterable[StagedChunk]) -> tuple[StagedChunk, ...]:
    """By block number: the order of rows where it matters."""
    return tuple(sorted(staged, key=lambda filled: (filled.first, filled.name)))


def rows_in_parts(parts: Sequence[Part]) -> int:
    """Rows in parts, hidden ones included."""
    return sum(part.rows for part in parts)
