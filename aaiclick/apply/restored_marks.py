"""Settles the mark of a rebuild that came with a backup, which somebody restored: of a database in the middle of it.

RESTORE makes new storages, with the settings and the fence that the old ones had at that moment. Nobody is at work on
them, and the UUIDs of the mark are those of the database that was saved, where its run may still be at work: so here
tables are found by their names alone, and no UUID of the mark is looked for.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clickhouse.merges import HELD, release_merges, saved_settings
from aaiclick.clickhouse.statements import drop_table
from aaiclick.clickhouse.tables import Physical, physical, physicals
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.kept_tables import keep
from aaiclick.state.owned import staging_tables
from aaiclick.state.rebuild_mark import Mark, drop_mark


def is_restored(database: str, mark: Mark) -> Routine[bool]:
    """True where the mark is a copy of another one."""
    if not mark.own:
        return False
    itself = yield from physical(database, mark.name)
    return itself is not None and bool(itself.uuid) and itself.uuid != mark.own


def settle_restored(database: str, mark: Mark) -> Routine[str]:
    """Let writers and merges of the table go on, and clear away what the run had made; what became of it, for people.

    After the exchange the old table may hold rows that came late and are in it alone. Block numbers, which would tell,
    are others after a RESTORE: it is kept until somebody has looked at it.
    """
    named = yield from physicals(database, (mark.table, mark.shadow_name))
    live, other = named.get(mark.table), named.get(mark.shadow_name)
    before = live is not None and (mark.phase == "copy" or saved_settings(live) == HELD)
    # Writers first: no later error may leave them locked out.
    if live is not None and before:
        yield from release_merges(database, live.uuid, mark.saved)
    elif live is not None and live.fenced:
        yield from lift_fence(live)
    for name in (yield from staging_tables(database, mark.table)):
        yield from drop_table(database, name)
    said = "as it was before the copy" if before else "the new one"
    if other is not None and before:
        yield from drop_table(database, other.name)
    elif other is not None:
        said += f". The old one is kept as {(yield from _kept(mark, other))} until somebody has looked at it"
    yield from drop_mark(database, mark)
    note = f"{mark.table} came with a backup that was made while it was rebuilt: it is {said}"
    yield Emit(Note(note, "warning"))
    return note


def _kept(mark: Mark, old: Physical) -> Routine[str]:
    reason = "it came with a backup that was made at the end of its copy, and rows that came late may be in it alone"
    return (yield from keep(replace(mark, source=old.uuid, base=None), old, reason))
