"""The exchange: the one moment at which the new table becomes the live one."""

from __future__ import annotations

from aaiclick.apply.hold import release
from aaiclick.apply.identity import physicals
from aaiclick.apply.mark import Mark, drop_mark
from aaiclick.apply.sqltext import hexed
from aaiclick.apply.staging import stagings
from aaiclick.apply.statements import DDL, ONCE, ask, drop_table, send
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.strategies.fit import EXCHANGING
from aaiclick.routine import Command, Routine, Sleep, text
from aaiclick.specs.quoting import qualified

_PROBES = 5
_PAUSE = 0.5


def require_exchange(database: str) -> Routine[None]:
    """Raise ApplyError where the database's engine cannot exchange two tables in one step."""
    rows = yield from ask("SELECT engine FROM system.databases WHERE name = unhex({db:String})", {"db": hexed(database)})
    engine = text(rows[0][0]) if rows else ""
    if engine not in EXCHANGING:
        what = f"has engine {engine}" if engine else "is not there"
        raise ApplyError(f"database {database} {what}: two tables can only be exchanged in one of engine Atomic. Nothing was changed")


def exchange(database: str, mark: Mark) -> Routine[None]:
    """Exchange the live table and the shadow, by name but only while the names hold the storages of the mark.

    An error of the statement is not believed before the storages were looked at.
    """
    if (yield from swapped(database, mark)):
        raise ApplyError(f"{mark.table}: its storage is the new one already")
    sql = f"EXCHANGE TABLES {qualified(database, mark.table)} AND {qualified(database, mark.shadow_name)}"
    try:
        yield from send(Command(sql, settings=DDL), ONCE)
    except StatementError as error:
        for _ in range(_PROBES):
            if (yield from swapped(database, mark)):
                return
            if not isinstance(error, OutcomeUnknownError):
                raise
            # The statement may still be on its way.
            yield Sleep(_PAUSE)
        raise
    if not (yield from swapped(database, mark)):
        raise ApplyError(f"{mark.table}: the exchange was acknowledged, but did not happen")


def swapped(database: str, mark: Mark) -> Routine[bool]:
    """Whether the live name holds the new storage. Raises ApplyError where it holds neither of the two."""
    found = yield from physicals(database, (mark.table, mark.shadow_name))
    live = found.get(mark.table)
    if live is not None and live.uuid == mark.source:
        return False
    if live is not None and mark.shadow and live.uuid == mark.shadow:
        return True
    held = "is missing" if live is None else f"holds storage {live.uuid or 'without UUID'}"
    raise ApplyError(f"{mark.table} {held}: neither the old storage {mark.source} nor the new one {mark.shadow or '(not made)'}. Left as it is")


def undo(database: str, mark: Mark) -> Routine[None]:
    """Before the exchange: make the live table as it was and remove the scratch objects. Raises ApplyError after the exchange.

    Writers first: the fence is lifted before anything else.
    """
    if (yield from swapped(database, mark)):
        raise ApplyError(f"{mark.table}: the new table is live already")
    yield from release(database, mark.table, mark.source, mark.saved)
    yield from clear(database, mark)


def clear(database: str, mark: Mark) -> Routine[None]:
    """Drop staging, shadow and mark, never the storage with the user's rows."""
    for name in (yield from stagings(database, mark.table)):
        yield from drop_table(database, name)
    found = yield from physicals(database, (mark.shadow_name,))
    shadow = found.get(mark.shadow_name)
    if shadow is not None and shadow.uuid == mark.source:
        raise ApplyError(f"{mark.shadow_name} holds the rows of {mark.table}: left as it is")
    if shadow is not None:
        yield from drop_table(database, mark.shadow_name)
    yield from drop_mark(database, mark)
