"""Settles marks that came with a backup, which somebody restored: of a database that was being changed.

RESTORE makes new storages, with the settings and the fence that the old ones had at that moment. Nobody is at work on
them, and the UUIDs of the mark are those of the database that was saved, where its run may still be at work: so here
tables are found by their names alone, and no UUID of the mark is looked for.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clickhouse.merges import MERGES_STOPPED, restart_merges, saved_settings
from aaiclick.clickhouse.statements import drop_table
from aaiclick.clickhouse.tables import Physical, physical, physicals
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.backfill_mark import BackfillMark, drop_backfill_mark, renamed_by
from aaiclick.state.kept_tables import keep
from aaiclick.state.owned import read_owned, staging_tables
from aaiclick.state.rebuild_mark import Mark, drop_mark, update_mark

_REASON = "it came with a backup that was made at the end of its copy, and rows that came late may be in it alone"


def is_restored(database: str, mark: Mark | BackfillMark) -> Routine[bool]:
    """True where the mark is a copy of another one."""
    if not mark.own:
        return False
    itself = yield from physical(database, mark.name)
    return itself is not None and bool(itself.uuid) and itself.uuid != mark.own


def settle_restored(database: str, mark: Mark) -> Routine[str]:
    """Let writers and merges of the table go on, and clear away what the run had made; what became of it, for people.

    After the exchange the old table may hold rows that came late and are in it alone. Block numbers, which would tell,
    are others after a RESTORE: it is kept until somebody has looked at it. A kill at any point costs nothing: the next
    start ends it, and says the same.
    """
    # By name: a RESTORE gives every table another UUID, so those in the mark are of the other database.
    named = yield from physicals(database, (mark.table, mark.shadow_name))
    live, other = named.get(mark.table), named.get(mark.shadow_name)
    # Only the old table has the settings that stop merges. They tell which of the two has the name.
    before = live is not None and (mark.phase == "copy" or saved_settings(live) == MERGES_STOPPED)
    # Writers first: no later error may leave them locked out.
    if live is not None and live.fenced:
        yield from lift_fence(live)
    if live is not None and before:
        # Once these settings are back nothing else would tell, so the mark does: of a copy, which is undone.
        if mark.phase != "copy":
            mark = yield from update_mark(database, replace(mark, phase="copy"))
        yield from restart_merges(database, live.uuid, mark.saved)
    # Each row of a staging table is in the table that it was read from as well.
    for name in (yield from staging_tables(database, mark)):
        yield from drop_table(database, name)
    said = "it is as it was before the copy" if before else "it is the new one" if live is not None else "it is missing"
    if before and other is not None:
        yield from drop_table(database, other.name)
    elif not before and (kept := (yield from _kept(database, mark, other))):
        said += f". The old one is kept as {kept} until somebody has looked at it"
    note = f"{mark.table} came with a backup that was made while it was rebuilt: {said}"
    # Before the mark goes: nobody says it after that.
    yield Emit(Note(note, "warning"))
    # Last: after a kill before it, all of this is done once more.
    yield from drop_mark(database, mark)
    return note


def _kept(database: str, mark: Mark, old: Physical | None) -> Routine[str]:
    """The name under which the old table is kept; '' where there is none."""
    if old is None:
        # A start that was killed may have kept it already, up to the fence.
        done = [row for row in (yield from read_owned(database)).kept() if row.kept.table == mark.table]
        before = [row for row in done if row.kept.reason == _REASON]
        old = (yield from physical(database, max(before, key=lambda row: row.kept.since).name)) if before else None
    # Without ``base``: a rollback that counted by the block numbers of before the RESTORE would count wrong rows.
    return (yield from keep(replace(mark, source=old.uuid, base=None), old, _REASON)) if old is not None else ""


def settle_restored_backfill(database: str, mark: BackfillMark) -> Routine[None]:
    """Let writers and merges go on. The view is left as it is: the statements of the mark name the other database.

    Block numbers, by which the fill goes on, are others after a RESTORE: what it lacks is said.
    """
    fill = mark.work.fill
    # One that the work renames has either name.
    for name in dict.fromkeys((*mark.work.sources, *(renamed_by(mark.work) or ()))):
        source = yield from physical(database, name)
        if source is None:
            continue
        if mark.fenced and source.fenced:
            yield from lift_fence(source)
        if fill is not None and name == fill.source:
            yield from restart_merges(database, source.uuid, mark.saved)
    # What they hold is in the source as well.
    for name in (yield from read_owned(database)).backfill_stages(mark):
        yield from drop_table(database, name)
    yield from _say_unfilled(database, mark)
    yield from drop_backfill_mark(database, mark)


def _say_unfilled(database: str, mark: BackfillMark) -> Routine[None]:
    """What the fill lacks. Before the mark goes: nobody says it after that."""
    fill = mark.work.fill
    view = yield from physical(database, mark.work.view)
    # 'closing': the view was not touched yet. 'filled': all rows were there. In between nobody can tell which.
    if fill is None or view is None or mark.phase in ("closing", "filled"):
        return
    filled = fill.target or mark.work.view
    note = (
        f"{filled} came with a backup that was made while it was filled from {fill.source}: rows that were there "
        f"before are not all in it. Empty {filled}, drop {mark.work.view}, and run again: that makes and fills it anew"
    )
    yield Emit(Note(note, "warning"))
