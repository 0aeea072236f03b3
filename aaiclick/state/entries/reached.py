"""To which version the rows of a storage have been brought, where several versions lead to it in one step.

The versions on the way say what becomes of a column: one makes it EPHEMERAL, the next stores it anew. The definition
that such a step leaves does not show that they have said it already, and a later start would say it once more, over
rows that have come since. So each step of such a way says what it leaves: a copy and a CREATE before the new storage
can hold a row, an ALTER before its first statement, with the columns as they are then. Of an ALTER that was begun the
columns that differ are those that it has brought to their end; nobody has to know how many statements it came.

An entry is about one storage, known by its UUID, so it goes with the table through every rename, and counts no more
where somebody puts another storage under the name.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import physical
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, AttachWork, CreateWork
from aaiclick.routine import Routine, flag, text
from aaiclick.sql.hex_text import hexed, unhexed
from aaiclick.state.journal import ensure_journal, outcome
from aaiclick.state.progress import REACHED, JournalScope, enter_start
from aaiclick.versions.version_changes import Reached


def enter_reached(scope: JournalScope, step: Step, uuid: str) -> Routine[None]:
    """The rows of this storage are, or will be from the first one on, of the version that the step leads to."""
    if step.reaches and uuid:
        yield from ensure_journal(scope.database)
        details = {"version": step.reaches, "table": step.object}
        yield from outcome(scope.database, scope.action(f"{REACHED}{uuid}"), "done", details)


def enter_altering(scope: JournalScope, step: Step, known: Mapping[str, Reached]) -> Routine[None]:
    """Before the first ALTER of a step. ``known``: what earlier runs have entered."""
    if not step.reaches or not _alters(step):
        return
    table = yield from physical(scope.database, step.object)
    uuid = table.uuid if table is not None else ""
    if not uuid:
        return
    before = known.get(uuid, Reached(0))
    columns = before.columns
    # What an earlier run has begun was told by its entry: the columns as they were before that.
    if columns is None:
        columns = yield from _columns(scope.database, step.object)
    details = {"version": step.reaches, "before": before.version, "table": step.object, "columns": dict(columns)}
    yield from enter_start(scope, f"{REACHED}{uuid}", details)


def enter_altered(scope: JournalScope, step: Step) -> Routine[None]:
    """Behind the last effect of a step that alters a table, or makes one whose CREATE could not say its storage."""
    if step.reaches and isinstance(step.work, AlterWork | CreateWork):
        table = yield from physical(scope.database, step.object)
        yield from enter_reached(scope, step, table.uuid if table is not None else "")


def _alters(step: Step) -> bool:
    return isinstance(step.work, AlterWork | AttachWork) and bool(step.work.alters)


def _columns(database: str, table: str) -> Routine[dict[str, bool]]:
    """The columns of a table, and whether each is stored."""
    rows = yield from ask(
        "SELECT hex(name), default_kind NOT IN ('ALIAS', 'EPHEMERAL') FROM system.columns "
        "WHERE database = unhex({database:String}) AND table = unhex({table:String})",
        {"database": hexed(database), "table": hexed(table)},
    )
    return {unhexed(text(name)): flag(stored) for name, stored in rows}
