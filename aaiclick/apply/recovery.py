"""Clears up after a run that was killed: what it began is undone or continued before the exchange, and finished after
it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aaiclick.apply.guarded_alter import drop_left_guards
from aaiclick.apply.rebuild.attach import attach_filler
from aaiclick.apply.rebuild.exchange import Whereabouts, clear_rebuild, undo_rebuild, whereabouts
from aaiclick.apply.rebuild.finish import Filler, finish
from aaiclick.apply.rebuild.rebuild import late_filler, make_job
from aaiclick.apply.rebuild.resume import suspend
from aaiclick.apply.rebuild.safe_drop import BelatedError, is_taken, take_over_mark
from aaiclick.apply.rebuild.views import open_shadow
from aaiclick.apply.restored_marks import is_restored, settle_restored
from aaiclick.apply.run import ApplyOptions, Site
from aaiclick.clickhouse.merges import release_copies, restart_merges, stop_merges
from aaiclick.clickhouse.mutations import let_renames_end
from aaiclick.clickhouse.names import PROBE_PREFIX, label, parse_name
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.statements import drop_table
from aaiclick.clickhouse.storages import away, storage
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Emit, Nonce, Routine, text
from aaiclick.state.kept_tables import keep
from aaiclick.state.owned import Owned, read_owned, staging_tables
from aaiclick.state.rebuild_mark import Mark

_TRIES = 3
"""How often a mark is settled from the beginning where a paused run sends its statement meanwhile: it can do so
once."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a dead run left, and what became of it."""

    object: str
    """Name of the table."""
    action: Literal["undone", "finished", "waiting", "dropped", "left"]
    """'undone': as before; 'finished': the new table is in place; 'waiting': the copy may go on; 'dropped'; 'left'."""
    reason: str = ""
    """Why it was left, or what there is to know; '' for nothing."""
    rows: int = 0
    """Late rows that were brought into the new table."""
    kept: str = ""
    """Name of the old table where it is kept; '' where it is not."""


def recover_killed_runs(
    owned: Owned, options: ApplyOptions | None = None, *, resume: bool = False
) -> Routine[tuple[Recovered, ...]]:
    """Undo or finish what dead runs left in a database; what became of each. Usually there is nothing.

    ``owned``: our objects as they are now. They have changed, and have to be read again, where the answer is not empty.
    ``resume``: copies that may go on are left waiting; the caller passes their tables on as ``ApplyOptions.resumable``
    and calls ``abandon`` at the end. Only call this under the lease, after the statements of dead runs have ended.
    A table that nothing explains and that has rows, perhaps their only copy, is left, with a Note.
    Raises StatementError, and ApplyError where a wait was too long; it can be called again then.
    """
    chosen = options if options is not None else ApplyOptions()
    database, died = owned.database, bool(owned.tombstones)
    result: list[Recovered] = []
    for table in owned.tables:
        # A run was killed while it asked whether a storage is gone: this has its UUID, and no rows.
        if table.name.startswith(PROBE_PREFIX) and not table.rows:
            yield from drop_table(database, table.name, sync=True)
    # Marks first, unmarked tables second: what a mark names is no table of an unknown run.
    for found in owned.marks():
        if isinstance(found, str):
            result.append(Recovered(found, "left", "its comment cannot be read: a newer version of aaiclick made it"))
            continue
        result.append((yield from _settle(database, found, chosen, resume)))
    # A mark that cannot be read may name any of these tables, so then none of them is dropped.
    if not any(each.action == "left" for each in result):
        # Settling a mark has renamed and dropped tables since they were read.
        owned = (yield from read_owned(database)) if result else owned
        result += yield from _unmarked(owned, {label(each.object) for each in result if each.action == "waiting"})
    if died:  # behind a fence, which is lifted by now, they could not be dropped
        yield from drop_left_guards(database)
    for each in result:
        if each.action == "left":
            yield Emit(Note(f"{database}.{each.object}: {each.reason}. It is left as it is", "warning"))
    return tuple(result)


def only_waits(owned: Owned) -> Routine[bool]:
    """Whether each mark of one host stands for a table that is not there (any more): nothing is under way then, and
    nothing that is kept is needed for it."""
    for mark in (*owned.marks(), *owned.backfill_marks()):
        # Behind an exchange the old table is kept or dropped only when the new one was seen.
        if isinstance(mark, str) or (isinstance(mark, Mark) and (mark.phase != "copy" or mark.shadow)):
            return False
        absent = False
        for uuid in (mark.source,) if isinstance(mark, Mark) else mark.sources:
            absent = absent or (yield from storage(owned.database, uuid)) is None
        if not absent:
            return False
    return True


def _settle(database: str, left: Mark, options: ApplyOptions, resume: bool) -> Routine[Recovered]:
    """Settle one mark. If a paused run sends its statement meanwhile, begin again: that can happen only
    once."""
    for _ in range(_TRIES):
        # Under its new name only this run can write the mark. A paused run that wakes up fails on a missing table.
        mark = yield from take_over_mark(database, left)
        if mark is None:
            return Recovered(left.table, "finished")
        if (yield from is_restored(database, mark)):
            before = yield from settle_restored(database, mark)
            return Recovered(mark.table, "undone", before)
        try:
            return (yield from _settled(database, mark, options, resume))
        except BelatedError:
            # Under the name that it has now: this run has renamed it.
            left = mark
    raise BelatedError(left.table)


def _settled(database: str, mark: Mark, options: ApplyOptions, resume: bool) -> Routine[Recovered]:
    found = yield from whereabouts(database, mark)
    # Before the exchange every row is in the old table, so dropping what was built loses nothing.
    if not found.exchanged or found.stranger is not None:
        # A copy goes on only where its table still has its name: plans find tables by name.
        untouched = found.source is not None and (found.source.database, found.source.name) == (database, mark.table)
        if untouched and resume and (yield from suspend(database, mark)):
            return Recovered(mark.table, "waiting")
        # Killed in here, the mark is still there: the next run does the same once more, and finds less to undo.
        yield from undo_rebuild(database, mark)
        return Recovered(mark.table, "undone")
    # A run writes 'swap' into the mark before it sends the exchange, so this exchange was somebody else's.
    if mark.phase != "swap":
        yield from restart_merges(database, mark.source, mark.saved)
        return Recovered(
            mark.table,
            "left",
            "the new table is in place before its copy was complete: somebody exchanged the tables by hand",
        )
    if found.shadow is None and (how := (yield from away(database, mark.shadow))):
        # The old table has what came late, and the new one may refuse writers: both wait for it. The chunks are in it.
        for name in (yield from staging_tables(database, mark, mark.work.table)):
            if name != mark.filled:
                yield from drop_table(database, name)
        said = f"the new table was {how} by somebody else. Once it is there again, the next start brings it to its end"
        return Recovered(mark.table, "left", said)
    if found.shadow is None or found.shadow.database != database:
        return (yield from _without_the_new(database, mark, found, options))
    # A paused run has just renamed the old table to drop it: the mark has to be read again.
    if found.source is not None and is_taken(found.source, database) and found.source.name != mark.shadow_name:
        raise BelatedError(mark.table)
    # An operator may have renamed the new table since: rows that came late follow it.
    mark = replace(mark, table=found.shadow.name)
    # Under any other name it is kept already, or somebody else's: nothing is moved out of it.
    old = found.source if found.source is not None and found.source.name == mark.shadow_name else None
    fill: Filler
    if old is None:
        fill = _never
    else:
        # A restart forgets SYSTEM STOP MERGES. A merge that the settings let through is waited for.
        if not old.fenced:
            yield from let_renames_end(database, old.name)
            yield from stop_merges(old)
        fill = yield from _filler(database, mark, old, options)
    # Killed in here, the mark says how far it came: block numbers and the filled staging table are in it before rows
    # move.
    end = yield from finish(database, mark, fill, options)
    return Recovered(mark.table, "finished", "; ".join(end.notes), end.rows, end.kept)


def _without_the_new(database: str, mark: Mark, found: Whereabouts, options: ApplyOptions) -> Routine[Recovered]:
    """The new table was dropped, or taken to another database, after it was put in place. The old one has rows that may
    be nowhere else."""
    what = "dropped" if found.shadow is None else f"moved to {found.shadow.database}.{found.shadow.name}"
    reason = f"the new table was {what} by somebody else before it was complete"
    kept = ""
    # Writers first: no later error may leave them locked out.
    yield from open_shadow(database, mark, options.fence_seconds)
    if found.source is not None and found.source.name == mark.shadow_name:
        kept = yield from keep(mark, found.source, reason)
    yield from release_copies(database, mark.since, mark.saved)
    # Without its UUID the new table is not looked for, so what somebody else has made of it is left to them.
    yield from clear_rebuild(database, replace(mark, shadow=""))
    yield Emit(
        Note(
            f"{mark.table}: "
            f"{reason}{f'. The old one is kept as {kept} until somebody has looked at it' if kept else ''}",
            "warning",
        )
    )
    return Recovered(mark.table, "finished", reason, kept=kept)


def _filler(database: str, mark: Mark, old: Physical, options: ApplyOptions) -> Routine[Filler]:
    """How late rows get into the new table.

    With a new nonce: of the dead run's staging tables only one that is filled is used, and moved. It is signed, so a
    staging table that this run makes when it has lost its lease is taken back.
    """
    rows = yield Nonce(signed=True)
    site = Site(database, text(rows[0][0]), options)
    match mark.work:
        case AttachWork():
            return attach_filler(mark.work, site)
        case RebuildWork():
            job, _ = yield from make_job(mark.work, old, site)
            return late_filler(job)


def _never(old: Physical, late: Sequence[Part]) -> Routine[tuple[str, int]]:
    yield from ()
    raise ApplyError(f"{old.name} has {len(late)} new parts, although all of its rows were moved already")


def _unmarked(owned: Owned, waiting: Collection[str]) -> Routine[list[Recovered]]:
    """Tables that no mark explains: dropped where they are empty. Of another engine than ours they are somebody else's:
    it may not even tell how many rows it has. ``waiting``: labels of the tables whose copy may go on."""
    found: list[Recovered] = []
    for table in owned.tables:
        ours = parse_name(table.name)
        if ours is None or ours.kind not in ("stage", "new", "taken"):
            continue
        # A copy that waits needs its chunks. It needs no new table that a run has renamed to drop it.
        if ours.label in waiting and (ours.kind != "taken" or table.rows):
            continue
        if not table.engine.endswith("MergeTree"):
            found.append(Recovered(table.name, "left", f"it is no table of ours, but one of engine {table.engine}"))
            continue
        if table.rows:
            found.append(
                Recovered(
                    table.name,
                    "left",
                    f"{rows_text(table.rows)} of an unknown run {verb_for(table.rows, 'are')} in it, perhaps "
                    "the only copy",
                )
            )
            continue
        # It is empty, and whatever its run sends into it late fails on a missing table.
        yield from drop_table(owned.database, table.name)
        found.append(Recovered(table.name, "dropped"))
    return found
