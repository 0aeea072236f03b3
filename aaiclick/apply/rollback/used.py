"""Kept tables that a rollback has put back: they are not needed any more, but for what was detached of them since."""

from __future__ import annotations

from aaiclick.apply.replicated.shadow import drop_everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import names_of_detached
from aaiclick.clickhouse.shared.host_answers import names_on_all
from aaiclick.clickhouse.statements import drop_table
from aaiclick.clickhouse.tables import Physical
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.kept_tables import detached_words
from aaiclick.state.replicated.kept import forget_kept


def drop_used(database: str, name: str, reach: Reach | None, *, leave_detached: bool) -> Routine[tuple[str, ...]]:
    """Drop it, here (None) or on all hosts. One of which parts were detached since the plan, which did not ask for
    them, stays until its time is over, when they are looked at once more: the note that says so.

    ``leave_detached``: they may go with it, which was allowed by name.
    """
    looked = names_on_all(reach, database, name) if reach else names_of_detached(Physical(database, name, "", ""))
    if not leave_detached and (found := (yield from looked)):
        words = detached_words(found, "in the moment of the rollback", on_hosts=reach is not None)
        yield Emit(Note(f"{name}: {words}. It is kept", "warning"))
        return (f"{name}: {words}. It is kept",)
    if reach is None:
        yield from drop_table(database, name)
        return ()
    # The table first, its note second: a note whose table is gone is taken away when its time is over; a table without
    # a note would belong to nobody.
    yield from drop_everywhere(database, name, reach)
    yield from forget_kept(database, name)
    return ()
