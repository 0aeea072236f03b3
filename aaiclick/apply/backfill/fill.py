"""Fills the target of a new materialized view with what the view would have made of the older rows, chunk by chunk:
into a staging table, then MOVE PARTITION into the target.

An INSERT into the target would set off the views that read it in turn, and could not be told from one that is sent
again. A chunk is a range of block numbers: merges of the source are stopped, so no part lies across its borders, and a
part that a mutation renamed meanwhile makes its chunk begin again. The mark names a staging table only when it is
complete; from then on it is moved and never filled again.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.apply.rebuild.chunks import Chunk, bounds, cut_chunks, highest
from aaiclick.apply.rebuild.staging import create_from, move_all, staging_form
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.merges import stop_merges
from aaiclick.clickhouse.parts import Part, parts, rows_in_reach
from aaiclick.clickhouse.statements import BLOCKS, COPY, Sent, drop_table, insert_permissively, merged
from aaiclick.clickhouse.tables import Physical, own_table, physical, require_table
from aaiclick.clock import clock
from aaiclick.error_codes import MEMORY_LIMIT_EXCEEDED
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import ChunkDone, Note, Progress
from aaiclick.plan.operations import Fill
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.backfill_mark import BackfillMark, stage_name, update_backfill_mark
from aaiclick.state.owned import read_owned

EXTERNAL_BYTES = 512 << 20
"""A GROUP BY over a chunk with more states than this goes to disk."""


def fill_up(
    database: str, mark: BackfillMark, fill: Fill, source: Physical, options: ApplyOptions
) -> Routine[tuple[BackfillMark, int]]:
    """Bring everything up to block ``mark.high`` into the target; the new mark, and the rows read from the source.

    Can be begun again after a crash at any point. Raises ApplyError where parts were merged across that block, or rows
    keep changing.
    """
    if not fill.target:
        fill = replace(fill, target=(yield from own_table_of(database, mark.work.view)))
    form = yield from _form(database, fill.target)
    # A restart forgets SYSTEM STOP MERGES, so merges are stopped by statement and by settings once more.
    yield from stop_merges(source)
    started, rows, restarts, level = (yield from clock()), 0, 0, 0
    for turn in itertools.count():
        # What an earlier turn or a killed run has filled goes first: the next chunk is chosen from what is left after
        # that.
        mark = yield from _moved(database, mark, fill)
        present = yield from parts(source)
        due = [part for part in present if part.last > mark.done and part.first <= mark.high and not part.patch]
        if not due:
            return mark, rows
        _require_unmixed(due, mark, fill)
        total, begun = sum(part.rows for part in due), (yield from clock())
        # In the order of blocks, so that what is done is one number.
        most, size = bounds(present, options.chunk_rows, options.chunk_bytes)
        chunk = cut_chunks(due, rows=most, size=size, ordered=True)[0]
        if not turn:
            yield Emit(Progress(fill.target, "backfill", 0, total, begun - started))
        staging = stage_name(mark.nonce, turn, mark.work.view)
        # Killed from here until the mark names it, the staging table may hold any part of the chunk: the next run drops
        # it.
        yield from create_from(staging_form(form, source.uuid), database, staging, ())
        try:
            yield from _insert(database, fill, chunk, staging, BLOCKS[level])
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            if error.code != MEMORY_LIMIT_EXCEEDED or level + 1 == len(BLOCKS):
                raise
            # Some blocks may be in already: the next turn drops this staging table and fills another one.
            level += 1
            continue
        selected = selected_parts(chunk)
        found = yield from rows_in_reach(qualified(database, fill.source), selected, 2 * len(selected) + 262144)
        # Asked last: parts that are still there now were there all the time.
        if not (yield from still_there(source, chunk)):
            restarts += 1
            if restarts > options.restarts * 10:
                raise ApplyError(
                    f"{fill.source}: rows were deleted or changed {restarts} times while {fill.target} was filled "
                    "from it. Run again: it goes on"
                )
            yield Emit(Note(f"{fill.source}: rows were changed while {fill.target} was filled: a chunk begins again"))
            continue
        if found != chunk.rows:
            raise ApplyError(
                f"{fill.source} holds {chunk.rows} rows in {len(chunk.parts)} parts, but {found} can be read: a row "
                "policy or a setting of this user hides"
                " the others. Run again without it: it goes on"
            )
        # Only now, when its parts are known to have stayed as they were: from here on the staging table is moved, never
        # filled again.
        mark = yield from update_backfill_mark(
            database, replace(mark, filled=staging, filled_high=highest(chunk.parts))
        )
        rows += chunk.rows
        now = yield from clock()
        yield Emit(ChunkDone(fill.source, "backfill", chunk.rows, chunk.bytes, now - begun, verified=False))
        yield Emit(Progress(fill.target, "backfill", rows, rows + total - chunk.rows, now - started))
    raise AssertionError


def _moved(database: str, mark: BackfillMark, fill: Fill) -> Routine[BackfillMark]:
    """Move what a complete staging table holds (still), and drop what is none."""
    if mark.filled:
        if (yield from physical(database, mark.filled)) is not None:
            # Moved first and noted second: MOVE PARTITION takes the rows out of the staging table, so after a kill in
            # between the second move finds what is left, or nothing.
            yield from move_all(database, mark.filled, fill.target)
        mark = yield from update_backfill_mark(
            database, replace(mark, done=mark.filled_high, filled="", filled_high=-1)
        )
    for stage in (yield from read_owned(database)).backfill_stages(mark):
        yield from drop_table(database, stage)
    return mark


def _form(database: str, target: str) -> Routine[TableForm]:
    yield from require_table(database, target)
    live = (yield from read_catalog(database, (target,))).objects[target]
    if not isinstance(live.form, TableForm) or not live.form.merge_tree:
        raise ApplyError(f"{target} is no table of the MergeTree family: nothing can be moved into it")
    return live.form


def _require_unmixed(due: Sequence[Part], mark: BackfillMark, fill: Fill) -> None:
    mixed = [part.name for part in due if part.first <= mark.done or part.last > mark.high]
    if mixed:
        raise ApplyError(
            f"{fill.source}: parts {', '.join(mixed[:3])} mix rows that {fill.target} has with rows that it lacks, "
            "because somebody merged them while it was"
            f" filled. Make it anew: DROP VIEW {mark.work.view}, TRUNCATE TABLE {fill.target}, DROP TABLE "
            f"{mark.name}, and run again"
        )


def own_table_of(database: str, view: str) -> Routine[str]:
    """The name of the table that a view owns. Raises ApplyError where it cannot be found."""
    name = yield from own_table(database, view)
    if not name:
        raise ApplyError(f"{view}: the table that it owns cannot be found, and was not filled. Run again: it goes on")
    return name


def _insert(database: str, fill: Fill, chunk: Chunk, staging: str, blocks: Mapping[str, str | int]) -> Routine[None]:
    names = ", ".join(quote_name(name) for name, _ in fill.columns)
    sql = f"INSERT INTO {qualified(database, staging)} ({names}) {question(database, fill, chunk, names)}"
    # The names of up to a thousand parts stand in the statement. 262144 is what the server allows by itself.
    size: Sent = {"max_query_size": 2 * len(sql) + 262144, "max_bytes_before_external_group_by": EXTERNAL_BYTES}
    yield from insert_permissively(Command(sql, settings=merged(COPY, size, blocks), database=database, long=True))


def question(database: str, fill: Fill, chunk: Chunk, names: str) -> str:
    """What the view asks, of the rows of the chunk alone."""
    where = f"{selected_parts(chunk)}{f' AND ({fill.where})' if fill.where else ''}"
    if fill.before:
        # By name: the order of a view's columns is not that of its target.
        return f"SELECT {names} FROM ({fill.before} WHERE {where} {fill.behind})"
    reads = ", ".join(
        expression if expression == name else f"{expression} AS {quote_name(name)}" for name, expression in fill.columns
    )
    grouped = f" GROUP BY {', '.join(quote_name(key) for key in fill.keys)}" if fill.keys else ""
    return f"SELECT {reads} FROM {qualified(database, fill.source)} WHERE {where}{grouped}"


def selected_parts(chunk: Chunk) -> str:
    """A condition on the rows of a chunk."""
    partitions = ", ".join(quote_string(each) for each in chunk.partitions)
    return (
        f"_partition_id IN ({partitions}) AND _part IN ({', '.join(quote_string(part.name) for part in chunk.parts)})"
    )


def still_there(source: Physical, chunk: Chunk) -> Routine[bool]:
    """Whether the table has every part of a chunk."""
    # By name: a mutation gives a part that it rewrites another one.
    names = {part.name for part in (yield from parts(source))}
    return all(part.name in names for part in chunk.parts)
