"""Creates a materialized view between two INSERTs, and brings the rows that were there before into its target
(``BackfillWork``).

    mark -> [stop merges] -> refuse writers, wait for those that run -> note the last block -> the view
         -> let writers in -> [fill]

An INSERT builds its way through the views of its table before it writes: one that began before the view was there never
meets it, one that begins after it always does. Behind the fence there is none that runs, so the last block number
divides the rows that the view has to be told about from those that it sees.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.backfill.fill import fill_up
from aaiclick.apply.rebuild.chunks import highest
from aaiclick.apply.restored_marks import is_restored, settle_restored_backfill
from aaiclick.apply.run import ApplyOptions, Done, Site, told_of_same_rows
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.merges import restart_merges, saved_settings, stop_merges
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.statements import CREATE, drop_table, send
from aaiclick.clickhouse.storages import away, storage
from aaiclick.clickhouse.tables import Physical, physical, require_table
from aaiclick.clickhouse.write_fence import lift_fence, raise_fence
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import BackfillWork
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.backfill_mark import (
    BackfillMark,
    backfill_mark_name,
    drop_backfill_mark,
    mark_format,
    renamed_by,
    update_backfill_mark,
    write_backfill_mark,
)
from aaiclick.state.owned import Owned, read_owned


def apply_backfill(work: BackfillWork, site: Site) -> Routine[Done]:
    """Carry it out. Raises ApplyError, StatementError; before the view's statements every error leaves things as they
    were."""
    database, options = site.database, site.options
    sources = yield from _sources(work, database)
    # Read before merges are stopped, and entered with the mark: afterwards the table shows our settings.
    saved = next(
        (saved_settings(source) for source in sources if work.fill is not None and source.name == work.fill.source), ()
    )
    uuids = tuple(source.uuid for source in sources)
    # The mark before the first fence: a kill from here on leaves a mark that names every table that may refuse writers.
    mark = yield from write_backfill_mark(
        database,
        BackfillMark(
            backfill_mark_name(site.nonce, work.view), site.nonce, work, uuids, True, saved, format=mark_format(work)
        ),
    )
    try:
        mark = yield from _close(mark, sources, database, options)
    # Writers may be refused by now. The mark says so, and whoever comes next lets them in.
    except OutcomeUnknownError:
        raise
    except Exception as error:
        yield from _quietly(database, mark, error)
        raise
    # Writers before the fill: what they write from now on goes through the view, and the fill takes blocks up to
    # ``high`` alone. So no row comes in twice, and none is missing.
    mark, absent = yield from open_again(database, mark)
    rows = yield from _end(database, mark, absent, options)
    return Done(rows, notes=(yield from told_of_same_rows(options, work.statements)))


def finish_backfills(owned: Owned, options: ApplyOptions) -> Routine[tuple[str, ...]]:
    """Finish what dead runs began; the names of the views. Where the view was not touched yet, it is undone instead.

    Only call it while holding the lease, after the statements of dead runs have ended.
    """
    database = owned.database
    settled: list[str] = []
    for found in owned.backfill_marks():
        if isinstance(found, str):
            yield Emit(
                Note(
                    f"{database}.{found}: its comment cannot be read: a newer version of aaiclick made it. It is "
                    "left as it is",
                    "warning",
                )
            )
            continue
        settled.append(found.work.view)
        if (yield from is_restored(database, found)):
            yield from settle_restored_backfill(database, found)
            continue
        # No statement about the view was sent yet.
        if found.phase == "closing":
            yield from undo_backfill(database, found)
            continue
        closed = (yield from _close_again(found, database, options)) if found.phase == "opening" else found
        mark, absent = yield from open_again(database, closed)
        yield from _end(database, mark, absent, options)
    return tuple(settled)


def let_writers_in(owned: Owned) -> Routine[None]:
    """Let writers in again for every mark, without the fill: an interrupted run has time for a few statements only.

    A view that was dropped is made first, because rows that are written without it would be missing in its target.
    """
    for mark in owned.backfill_marks():
        if isinstance(mark, BackfillMark):
            # Only the fence is up: the view is as it was.
            if mark.phase == "closing":
                yield from _lift(owned.database, mark)
            else:
                yield from open_again(owned.database, mark)


def _sources(work: BackfillWork, database: str) -> Routine[tuple[Physical, ...]]:
    found: list[Physical] = []
    for name in work.sources:
        source = yield from require_table(database, name)
        if not source.merge_tree or source.engine.startswith(("Replicated", "Shared")) or not source.uuid:
            raise ApplyError(
                f"{name}: writers of a table of engine {source.engine} cannot be kept out. Nothing was changed"
            )
        if source.fenced:
            # Somebody else's fence. Lifted with ours it would open a table that an operator has closed.
            raise ApplyError(f"{name} is read-only ({FENCE}): lift that first (ALTER TABLE ... RESET SETTING {FENCE})")
        found.append(source)
    return tuple(found)


def _close(
    mark: BackfillMark, sources: tuple[Physical, ...], database: str, options: ApplyOptions
) -> Routine[BackfillMark]:
    """Keep writers out and note what is there; the mark then says 'opening'."""
    fill = mark.work.fill
    for source in sources:
        if fill is not None and source.name == fill.source:
            # Before anybody is kept out: a running merge may take its time to end.
            yield from stop_merges(source)
    for source in sources:
        # When this returns no INSERT runs on this source: each later one will meet the view.
        yield from raise_fence(source, options.fence_seconds)
    high = -1
    if fill is not None:
        source = next(source for source in sources if source.name == fill.source)
        # Behind the fence: no INSERT is left that could still commit a block with a lower number.
        high = highest((yield from parts(source)))
        if fill.target and fill.empty and (yield from parts((yield from require_table(database, fill.target)))):
            raise ApplyError(
                f"{fill.target} holds rows already, and nobody can tell which rows of {fill.source} are in them. "
                "Nothing was changed"
            )
    return (yield from update_backfill_mark(database, replace(mark, phase="opening", high=high)))


def _close_again(mark: BackfillMark, database: str, options: ApplyOptions) -> Routine[BackfillMark]:
    """A run died between the fence and the view. The fence is part of the definition and still up; where somebody
    lifted it by hand meanwhile and the view is not there, what came since has to be filled as well."""
    if not mark.fenced:
        return mark
    lifted = False
    for name, uuid in zip(mark.work.sources, mark.sources, strict=True):
        source = yield from physical(database, name)
        if source is None or source.uuid != uuid:
            continue  # somebody else dropped or replaced it: there is no writer to keep out
        if not source.fenced:
            lifted = True
            yield from raise_fence(source, options.fence_seconds)
    fill = mark.work.fill
    if (
        lifted
        and fill is not None
        and any(sql.startswith("CREATE") for sql in mark.work.statements)
        and (yield from physical(database, mark.work.view)) is None
    ):
        source = yield from physical(database, fill.source)
        if source is None or source.uuid not in mark.sources:
            return mark
        return (yield from update_backfill_mark(database, replace(mark, high=highest((yield from parts(source))))))
    return mark


def open_again(database: str, mark: BackfillMark) -> Routine[tuple[BackfillMark, frozenset[str]]]:
    """Send the statements that are left, then let writers in; the mark, and the sources that are not there. Where the
    server refuses one, the old view is made again."""
    first = mark.sent
    while mark.phase == "opening" and mark.sent < len(mark.work.statements):
        sql = mark.work.statements[mark.sent]
        try:
            yield from send(Command(sql, settings=CREATE, database=database))
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            # Of a dead run nobody knows whether its CREATE came through: it did.
            if not (error.code == TABLE_ALREADY_EXISTS and sql.startswith("CREATE") and mark.sent == first):
                yield from _put_back(database, mark, error)
                raise
        # Counted behind the statement: after a kill in between it is sent again, which the answer 57 above allows for.
        mark = yield from update_backfill_mark(database, replace(mark, sent=mark.sent + 1))
    if mark.phase == "opening":
        # Said before the fence goes: a run that finds 'opening' without a fence would put it up again.
        mark = yield from update_backfill_mark(database, replace(mark, phase="open"))
    return mark, (yield from _lift(database, mark))


def _put_back(database: str, mark: BackfillMark, error: Exception) -> Routine[None]:
    # Writers are still refused, so no row has come in while the view was missing.
    if (renamed := renamed_by(mark.work)) is not None:
        if mark.sent > 1:
            # Some views name the new table, others the old one: under neither name would a row meet all of them.
            yield Emit(Note(f"{renamed[1]} refuses writers until the next run has brought this to its end", "warning"))
            return
        old, new = renamed
        if (yield from physical(database, old)) is None:
            back = rename_table(qualified(database, new), qualified(database, old), if_exists=True)
            yield from send(Command(back, settings=CREATE, database=database))
    if mark.work.undo and (yield from physical(database, mark.work.view)) is None:
        yield from send(Command(mark.work.undo, settings=CREATE, database=database))
    yield from _quietly(database, mark, error)


def undo_backfill(database: str, mark: BackfillMark) -> Routine[None]:
    """Writers first, then merges, then the mark."""
    absent = yield from _lift(database, mark)
    absent |= yield from _release(database, mark)
    if not (yield from _waits_for(database, mark, absent)):
        yield from drop_backfill_mark(database, mark)
    elif mark.phase != "closing":
        # The view is as it was before, so all that is left is to let writers in.
        yield from update_backfill_mark(database, replace(mark, phase="closing", sent=0))


def _quietly(database: str, mark: BackfillMark, error: Exception) -> Routine[None]:
    try:
        yield from undo_backfill(database, mark)
    except Exception as second:
        yield Emit(
            Note(
                f"{mark.work.view}: cleaning up after a failure ({error}) did not work: {second}. The next run does it",
                "warning",
            )
        )


def _lift(database: str, mark: BackfillMark) -> Routine[frozenset[str]]:
    """Let writers in; the UUIDs of the sources that are not there."""
    absent: set[str] = set()
    for uuid in mark.sources if mark.fenced else ():
        # By UUID: the fence stays with the storage, whatever its name is by now.
        source = yield from storage(database, uuid)
        if source is None:
            absent.add(uuid)
        elif source.fenced:
            yield from lift_fence(source)
    return frozenset(absent)


def _release(database: str, mark: BackfillMark) -> Routine[frozenset[str]]:
    """Put the settings of the fill's source back; its UUID where it is not there."""
    fill = mark.work.fill
    if fill is None:
        return frozenset()
    uuid = mark.sources[mark.work.sources.index(fill.source)]
    there = yield from restart_merges(database, uuid, mark.saved)
    return frozenset() if there else frozenset({uuid})


def _waits_for(database: str, mark: BackfillMark, absent: frozenset[str]) -> Routine[bool]:
    """Whether a source is away and may come back: it has our fence and our settings still, and the mark alone says so.
    It stays as it is, and each start under the lease goes on from it."""
    waiting = False
    for name, uuid in zip(mark.work.sources, mark.sources, strict=True):
        if uuid in absent and (how := (yield from away(database, uuid))):
            waiting = True
            said = f"{name} was {how} by somebody else while {mark.work.view} was put in place. Once it is there again"
            yield Emit(Note(f"{said}, the next start gives it its settings back", "warning"))
    return waiting


def _end(database: str, mark: BackfillMark, absent: frozenset[str], options: ApplyOptions) -> Routine[int]:
    """Fill what has to be filled, and take the mark away. ``absent``: sources whose fence could not be lifted."""
    rows, fill = 0, mark.work.fill
    if fill is not None:
        uuid = mark.sources[mark.work.sources.index(fill.source)]
        source = yield from physical(database, fill.source)
        if source is not None and source.uuid == uuid and mark.phase != "filled":
            mark, rows = yield from fill_up(database, mark, fill, source, options)
            # The mark says so before merges go on: they mix rows from before and after the last block.
            mark = yield from update_backfill_mark(database, replace(mark, phase="filled"))
        absent |= yield from _release(database, mark)
    if (yield from _waits_for(database, mark, absent)):
        # What is left to be filled is filled when it is there again: with its parts come the numbers of their blocks.
        return rows
    if fill is not None and mark.phase != "filled":
        from aaiclick.apply.backfill.given_up import held_here, source_gone

        held = yield from held_here(database, mark.work.view, fill)
        there = yield from storage(database, mark.sources[mark.work.sources.index(fill.source)])
        now = f"{there.database}.{there.name}" if there is not None else ""
        yield Emit(Note(source_gone(mark.work.view, fill, held, now), "warning"))
    # The mark goes last: as long as it is there somebody comes for what it names.
    for stage in (yield from read_owned(database)).backfill_stages(mark):
        yield from drop_table(database, stage)
    yield from drop_backfill_mark(database, mark)
    return rows
