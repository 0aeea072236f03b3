"""Computes one chunk of a fill: what a view would have made of the rows of some parts, into a staging table of its own.

A part that a mutation renamed meanwhile, or memory that did not suffice, makes the chunk begin again: in another
staging table, so nothing is in one twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aaiclick.apply.rebuild.chunks import Chunk
from aaiclick.apply.rebuild.staging import create_from, staging_form
from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.parts import parts, rows_in_reach
from aaiclick.clickhouse.statements import BLOCKS, COPY, Sent, insert_permissively, merged
from aaiclick.clickhouse.tables import Physical
from aaiclick.error_codes import MEMORY_LIMIT_EXCEEDED
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import Fill
from aaiclick.printable import count_text, rows_text
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.quoting import qualified, quote_name, quote_string

_EXTERNAL_BYTES = 512 << 20
"""A GROUP BY over a chunk with more states than this goes to disk."""


@dataclass(frozen=True, slots=True)
class ChunkJob:
    """What all chunks of a fill have in common."""

    database: str
    """That of the source and of the target."""
    source: Physical
    """Whose rows are read."""
    fill: Fill
    """What is computed of them."""
    into: str
    """The table that is filled, as sentences call it."""
    form: TableForm
    """Of the staging tables."""
    staged_in: str
    """The database of the staging tables."""
    most_restarts: int
    """How often chunks may begin again because rows changed."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often chunks of a fill have begun again."""

    restarts: int = 0
    """Because rows changed."""
    level: int = 0
    """Because memory did not suffice: the place in ``BLOCKS``."""


def compute_chunk(job: ChunkJob, chunk: Chunk, staging: str, attempts: Attempts) -> Routine[Attempts | None]:
    """Fill a new staging table of that name. None: it is complete. Else the chunk has to begin again, with these.

    Raises ApplyError where rows keep changing, or not all of them can be read.
    """
    fill = job.fill
    yield from create_from(staging_form(job.form, job.source.uuid), job.staged_in, staging, ())
    try:
        yield from _insert(job, chunk, staging, BLOCKS[attempts.level])
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        if error.code != MEMORY_LIMIT_EXCEEDED or attempts.level + 1 == len(BLOCKS):
            raise
        # Some blocks may be in already: this staging table is dropped, and another one filled.
        return replace(attempts, level=attempts.level + 1)
    selected = _selected_parts(chunk)
    found = yield from rows_in_reach(qualified(job.database, fill.source), selected, 2 * len(selected) + 262144)
    # Asked last: parts that are still there now were there all the time.
    if not (yield from _still_there(job.source, chunk)):
        restarts = attempts.restarts + 1
        if restarts > job.most_restarts:
            raise ApplyError(
                f"{fill.source}: rows were deleted or changed {restarts} times while {job.into} was filled "
                "from it. Run again: it goes on"
            )
        yield Emit(Note(f"{fill.source}: rows were changed while {job.into} was filled: a chunk begins again"))
        return replace(attempts, restarts=restarts)
    if found != chunk.rows:
        raise ApplyError(
            f"{fill.source} holds {rows_text(chunk.rows)} in {count_text(len(chunk.parts), 'part')}, but "
            f"{found} can be read: a row "
            "policy or a setting of this user hides the others. Run again without it: it goes on"
        )
    return None


def _insert(job: ChunkJob, chunk: Chunk, staging: str, blocks: Mapping[str, str | int]) -> Routine[None]:
    names = ", ".join(quote_name(name) for name, _ in job.fill.columns)
    asked = _question(job.database, job.fill, chunk, names)
    sql = f"INSERT INTO {qualified(job.staged_in, staging)} ({names}) {asked}"
    # The names of up to a thousand parts stand in the statement. 262144 is what the server allows by itself.
    size: Sent = {"max_query_size": 2 * len(sql) + 262144, "max_bytes_before_external_group_by": _EXTERNAL_BYTES}
    yield from insert_permissively(Command(sql, settings=merged(COPY, size, blocks), database=job.database, long=True))


def _question(database: str, fill: Fill, chunk: Chunk, names: str) -> str:
    """What the view asks, of the rows of the chunk alone."""
    where = f"{_selected_parts(chunk)}{f' AND ({fill.where})' if fill.where else ''}"
    if fill.before:
        # By name: the order of a view's columns is not that of its target.
        return f"SELECT {names} FROM ({fill.before} WHERE {where} {fill.behind})"
    reads = ", ".join(
        expression if expression == name else f"{expression} AS {quote_name(name)}" for name, expression in fill.columns
    )
    grouped = f" GROUP BY {', '.join(quote_name(key) for key in fill.keys)}" if fill.keys else ""
    return f"SELECT {reads} FROM {qualified(database, fill.source)} WHERE {where}{grouped}"


def _selected_parts(chunk: Chunk) -> str:
    """A condition on the rows of a chunk."""
    partitions = ", ".join(quote_string(each) for each in chunk.partitions)
    return (
        f"_partition_id IN ({partitions}) AND _part IN ({', '.join(quote_string(part.name) for part in chunk.parts)})"
    )


def _still_there(source: Physical, chunk: Chunk) -> Routine[bool]:
    """Whether the table has every part of a chunk."""
    # By name: a mutation gives a part that it rewrites another one.
    names = {part.name for part in (yield from parts(source))}
    return all(part.name in names for part in chunk.parts)
