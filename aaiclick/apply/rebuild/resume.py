"""Continues a copy that was killed: chunks that are in its staging tables are not copied again, if the same copy is
wanted.

    next run: writers in, settings back, merges still stopped, shadow gone -> plan
        -> the same rebuild: filled chunks are taken over
        -> anything else: undone, before the first step

Taking over is a rename to names of the new run, whose mark is there before: a statement of the dead run that is still
on its way meets no table that is in use, and a kill in between leaves two marks that both know the old settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from aaiclick.apply.rebuild.copy_chunk import Job
from aaiclick.apply.rebuild.exchange import exchanged, undo_rebuild
from aaiclick.apply.rebuild.safe_drop import BelatedError, drop_shadow, find_shadow, put_shadow_away
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.merges import MERGES_STOPPED, restore_settings, stop_merges
from aaiclick.clickhouse.mutations import let_renames_end
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import ddl, drop_table, system_merges
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import AaiclickError
from aaiclick.plan.model import Step
from aaiclick.plan.operations import RebuildWork, Work
from aaiclick.routine import Routine
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark, drop_mark
from aaiclick.state.staged_chunks import StagedChunk, divide, work_digest


def suspend(database: str, mark: Mark) -> Routine[bool]:
    """Prepare a copy that was killed before its exchange for a new plan; False where none of its chunks can be used.

    Writers are let in and the table looks as before, so that a plan can be made of it. Merges stay stopped: they would
    replace the parts that were copied.
    """
    if not isinstance(mark.work, RebuildWork) or mark.back:
        return False
    found = (yield from read_owned(database)).staged(mark.table, mark.source, {mark.nonce})
    if not any(filled is not None and filled.source == mark.source for _, filled in found):
        return False
    # First of all: behind it the EXCHANGE of a paused run meets no table any more, and writers can be let in.
    yield from put_shadow_away(database, mark)
    # Before the settings that stop merges go: with neither in force one could begin in between.
    yield from system_merges(database, mark.table, "STOP MERGES")
    yield from restore_settings(database, mark.source, mark.saved)
    for name, filled in found:
        # Killed while it was filled: nobody knows which of its rows are there.
        if filled is None:
            yield from drop_table(database, name)
    # The new table can be put together again from the filled staging tables, so it need not be kept.
    yield from _drop_left_shadow(database, mark)
    return True


def keep_wanted(steps: Sequence[Step], database: str, options: ApplyOptions) -> Routine[None]:
    """Undo the copies that these steps do not go on with: the merges and mutations of their tables have to go on."""
    if not options.resumable:
        return
    for mark in (yield from _waiting(database, options)):
        first = first_on(steps, mark.table)
        if first is None or not is_same(first.work, mark.work):
            yield from undo_rebuild(database, mark)


def abandon(database: str, options: ApplyOptions) -> Routine[None]:
    """Undo the copies that nobody went on with."""
    if not options.resumable:
        return
    for mark in (yield from _waiting(database, options)):
        if not (yield from exchanged(database, mark)):
            yield from undo_rebuild(database, mark)


def abandon_quietly(database: str, options: ApplyOptions) -> Routine[None]:
    """The same after a failure. An error here is ignored: the first one counts, and the next run undoes the copies."""
    with suppress(AaiclickError):
        yield from abandon(database, options)


def earlier_marks(source: Physical, options: ApplyOptions) -> Routine[tuple[Mark, ...]]:
    """The marks of killed copies of this table that may go on; its merges are stopped by settings alone then, so that
    mutations can go on."""
    if source.name not in options.resumable:
        return ()
    found = tuple(
        mark
        for mark in (yield from _waiting(source.database, options))
        if mark.table == source.name and mark.source == source.uuid
    )
    if found:
        # Settings first, then START MERGES: the other way round a merge could begin in between, and make new parts of
        # copied ones.
        yield from let_renames_end(source.database, source.name)
        yield from stop_merges(source)
        yield from system_merges(source.database, source.name, "START MERGES")
    return found


def settings_before(database: str, mark: Mark) -> Routine[Mark]:
    """The mark of a copy that is about to begin, where another run has stopped the merges of the table: one that
    was taken for dead, since the server's clock was set, and is still at work. What the settings were is in its mark,
    and not in the table."""
    if mark.saved != MERGES_STOPPED:
        return mark
    marks = (yield from read_owned(database)).marks()
    others = (each.saved for each in marks if isinstance(each, Mark) and each.source == mark.source)
    return replace(mark, saved=next(others, tuple((name, "") for name, _ in MERGES_STOPPED)))


def take_over_chunks(job: Job, earlier: Sequence[Mark]) -> Routine[tuple[StagedChunk, ...]]:
    """Give the staging tables that the killed runs filled names of this one, where they hold what this copy wants; the
    others are dropped, as is all else that those runs left."""
    if not earlier:
        return ()
    database = job.site.database
    nonces = {mark.nonce for mark in earlier}
    found = (yield from read_owned(database)).staged(job.work.table, job.source.uuid, nonces)
    fitting = [
        filled
        for _, filled in found
        if filled is not None and filled.source == job.source.uuid and filled.digest == job.digest
    ]
    # Writers, deletes and updates went on between the two runs: a chunk counts only while its parts are as they were.
    good, _ = divide(fitting, (yield from parts(job.source)))
    taken: list[StagedChunk] = []
    wanted = {filled.name: filled for filled in good}
    for name, _ in found:
        if name in wanted:
            ours = job.staging()
            yield from ddl(rename_table(qualified(database, name), qualified(database, ours)))
            taken.append(StagedChunk(ours, job.source.uuid, job.digest, wanted[name].parts, wanted[name].rows))
        else:
            yield from drop_table(database, name)
    # The dead runs' marks go last: until then they name what those runs made.
    for mark in earlier:
        yield from _drop_left_shadow(database, mark)
        yield from drop_mark(database, mark)
    return tuple(taken)


def _waiting(database: str, options: ApplyOptions) -> Routine[tuple[Mark, ...]]:
    return tuple(
        mark
        for mark in (yield from read_owned(database)).marks()
        if isinstance(mark, Mark) and mark.table in options.resumable
    )


def first_on(steps: Sequence[Step], table: str) -> Step | None:
    """The first step that may change a table. Only that one can go on with a copy: an earlier one may change rows that
    are copied already."""
    return next((step for step in steps if _concerns(step, table)), None)


def _concerns(step: Step, table: str) -> bool:
    """Statements and functions of a migration may do anything to any table."""
    return step.object == table or getattr(step.work, "table", "") == table or step.work.kind in ("sql", "callable")


def is_same(wanted: Work, begun: Work) -> bool:
    """Whether a step makes the copy that a killed run has begun."""
    return (
        isinstance(wanted, RebuildWork) and isinstance(begun, RebuildWork) and work_digest(wanted) == work_digest(begun)
    )


def _drop_left_shadow(database: str, mark: Mark) -> Routine[None]:
    shadow = yield from find_shadow(database, mark)
    if shadow is not None and shadow.uuid == mark.source:
        # The user's rows are under the new table's name: a paused run has just sent its EXCHANGE.
        raise BelatedError(mark.table)
    if shadow is not None:
        yield from drop_shadow(database, mark)
