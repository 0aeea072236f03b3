"""Fills the target of a new materialized view with what the view would have made of the older rows, chunk by chunk:
into a staging table, then MOVE PARTITION into the target.

An INSERT into the target would set off the views that read it in turn, and could not be told from one that is sent
again. A chunk is a range of block numbers: merges of the source are stopped, so no part lies across its borders, and a
part that a mutation renamed meanwhile makes its chunk begin again. The mark names a staging table only when it is
complete; from then on it is moved and never filled again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.backfill.chunk import Attempts, ChunkJob, compute_chunk
from aaiclick.apply.rebuild.chunks import bounds, cut_chunks, highest
from aaiclick.apply.rebuild.staging import move_all
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.merges import stop_merges
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.statements import drop_table
from aaiclick.clickhouse.tables import Physical, own_table, physical, require_table
from aaiclick.clock import clock
from aaiclick.errors import ApplyError
from aaiclick.events import ChunkDone, Progress
from aaiclick.plan.operations import Fill
from aaiclick.routine import Emit, Routine
from aaiclick.state.backfill_mark import BackfillMark, stage_name, update_backfill_mark
from aaiclick.state.owned import read_owned


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
    job = ChunkJob(database, source, fill, fill.target, form, database, options.restarts * 10)
    started, rows, attempts = (yield from clock()), 0, Attempts()
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
        again = yield from compute_chunk(job, chunk, staging, attempts)
        if again is not None:
            attempts = again
            continue
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
