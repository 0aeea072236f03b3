"""The exchange: the one moment at which the new table becomes the live one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.apply.rebuild.preconditions import require_none_detached, require_unaltered
from aaiclick.apply.rebuild.safe_drop import (
    BelatedError,
    drop_shadow,
    find_shadow,
    is_shadow,
    is_taken,
    put_shadow_away,
)
from aaiclick.apply.rebuild.views import close_shadow
from aaiclick.clickhouse.merges import release_copies, restart_merges
from aaiclick.clickhouse.parts import names_of_detached, parts
from aaiclick.clickhouse.refreshable_views import start_refreshes
from aaiclick.clickhouse.statements import DDL, ONCE, ask, drop_table, send
from aaiclick.clickhouse.storages import away, storage
from aaiclick.clickhouse.tables import EXCHANGING, Physical, physicals
from aaiclick.clickhouse.write_fence import emit_fence_event
from aaiclick.error_codes import NOT_ENOUGH_SPACE
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note, TableExchanged
from aaiclick.routine import Command, Emit, Routine, Sleep, text
from aaiclick.sql.ddl import exchange_tables
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.kept_tables import keep
from aaiclick.state.owned import staging_tables
from aaiclick.state.rebuild_mark import Mark, drop_mark, update_mark

_PROBES = 5
"""Looks at the two names after an EXCHANGE that got no answer."""
_PAUSE = 0.5
"""Seconds between two of them."""


def require_exchange(database: str) -> Routine[None]:
    """Raise ApplyError where the database's engine cannot exchange two tables in one step."""
    rows = yield from ask(
        "SELECT engine FROM system.databases WHERE name = unhex({db:String})", {"db": hexed(database)}
    )
    # Asked before anything is made. In an Ordinary database the server refuses EXCHANGE, and two RENAMEs leave a moment
    # without a table.
    engine = text(rows[0][0]) if rows else ""
    if engine not in EXCHANGING:
        what = f"has engine {engine}" if engine else "is not there"
        raise ApplyError(
            f"database {database} {what}: two tables can only be exchanged in one of engine Atomic. Nothing was changed"
        )


def exchange(database: str, mark: Mark) -> Routine[None]:
    """Exchange the live table and the shadow, by name but only while the names hold the storages of the mark.

    After an error the storages are looked at: the exchange may have happened all the same. A table that somebody else
    put under the name in the last moment is put back. Where views read the table, the new one refuses writers until
    ``finish``. Raises ApplyError, StatementError.
    """
    # A second EXCHANGE would undo the first.
    found = yield from whereabouts(database, mark)
    if found.exchanged:
        raise ApplyError(f"{mark.table}: its storage is the new one already")
    # The last looks before it: what is altered or detached from here on is found on the old table behind it.
    require_unaltered(mark, found.source)
    if found.source is not None:
        yield from require_none_detached(mark.table, names_of_detached(found.source), mark.detached)
    # The old table has its fence already. Both refuse writers while the server takes their views out of its register.
    if mark.closing:
        yield from close_shadow(database, mark)
    # EXCHANGE takes names, not storages. What the names hold is checked before it (above) and after it (below).
    sql = exchange_tables(qualified(database, mark.table), qualified(database, mark.shadow_name))
    try:
        yield from send(Command(sql, settings=DDL), ONCE)
    except StatementError as error:
        for _ in range(_PROBES):
            if (yield from exchanged(database, mark)):
                break
            if not isinstance(error, OutcomeUnknownError):
                raise
            # The client gave up, but the server may still carry the statement out.
            yield Sleep(_PAUSE)
        else:
            raise
    found = yield from whereabouts(database, mark)
    if not _holds_new(mark, found.live):
        # Only the storages under the two names count, not the answer.
        raise ApplyError(f"{mark.table}: the exchange was acknowledged, but did not happen")
    if found.stranger is not None:
        yield from _give_back(database, mark)
        raise ApplyError(
            f"{mark.table} was replaced by somebody else in the moment of the exchange. That table is back under its "
            "name, as it was"
        )
    yield from emit_fence_event(TableExchanged(database, mark.table, mark.closing))


def _give_back(database: str, mark: Mark) -> Routine[None]:
    """Take an exchange back that met somebody else's table. A writer may have reached the new table in between: then
    ``clear_rebuild`` keeps it."""
    yield from send(
        # The same statement once more undoes it.
        Command(exchange_tables(qualified(database, mark.table), qualified(database, mark.shadow_name)), settings=DDL),
        ONCE,
    )


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the two storages of a mark are now.

    ``source``: the one with the user's rows; None where it is gone. ``shadow``: the new one; None as above.
    ``exchanged``: the new one was put in place, whatever it is called now. ``stranger``: another table that has the
    shadow's name; None where there is none. ``live``: what has the name of the table.
    """

    source: Physical | None
    shadow: Physical | None
    exchanged: bool
    stranger: Physical | None = None
    live: Physical | None = None


def whereabouts(database: str, mark: Mark) -> Routine[Whereabouts]:
    """Ask for the storages by UUID: an operator may have renamed, exchanged or dropped tables meanwhile."""
    named = yield from physicals(database, (mark.table, mark.shadow_name))
    listed = {table.uuid: table for table in named.values()}
    source = listed.get(mark.source) or (yield from storage(database, mark.source))
    shadow = (listed.get(mark.shadow) or (yield from storage(database, mark.shadow))) if mark.shadow else None
    held = named.get(mark.shadow_name)
    # Only the exchange takes the new storage away from its scratch name, and a run that was about to drop it.
    moved = shadow is not None and (shadow.database, shadow.name) != (database, mark.shadow_name)
    exchanged = moved and not is_taken(shadow, database)
    if shadow is None and mark.shadow and held is not None and held.uuid == mark.source:
        exchanged = True  # and the new table was dropped since
    stranger = (
        held if held is not None and held.uuid not in (mark.source, mark.shadow) and mark.phase == "swap" else None
    )
    return Whereabouts(source, shadow, exchanged, stranger, named.get(mark.table))


def exchanged(database: str, mark: Mark) -> Routine[bool]:
    """Whether the live name holds the new storage. Raises ApplyError where it holds neither of the two."""
    found = yield from physicals(database, (mark.table, mark.shadow_name))
    return _holds_new(mark, found.get(mark.table))


def _holds_new(mark: Mark, live: Physical | None) -> bool:
    if live is not None and live.uuid == mark.source:
        return False
    if live is not None and mark.shadow and live.uuid == mark.shadow:
        return True
    held = "is missing" if live is None else f"holds storage {live.uuid or 'without UUID'}"
    raise ApplyError(
        f"{mark.table} {held}: neither the old storage {mark.source} nor the new one {mark.shadow or '(not made)'}. "
        "Left as it is"
    )


def undo_rebuild(database: str, mark: Mark) -> Routine[None]:
    """Before the exchange: restore the live table, whatever its name is now, and remove the scratch objects. Raises
    ApplyError after the exchange.

    Writers first: the fence is lifted before anything else, but for one rename of the new table.
    """
    found = yield from whereabouts(database, mark)
    if found.exchanged and found.stranger is not None:
        # The table that somebody else put under the name gets it back before anything is dropped.
        yield from _give_back(database, mark)
    elif found.exchanged:
        raise ApplyError(f"{mark.table}: the new table is live already")
    else:
        yield from put_shadow_away(database, mark)
    try:
        yield from restart_merges(database, mark.source, mark.saved)
    except StatementError as error:
        if error.code != NOT_ENOUGH_SPACE:
            raise
        # An ALTER on a full disk destroys the definition of the table: first of all the copy makes room.
        for name in (yield from staging_tables(database, mark)):
            yield from drop_table(database, name, sync=True)
        if found.shadow is not None and not found.exchanged:
            yield from drop_shadow(database, mark, sync=True)
        yield from restart_merges(database, mark.source, mark.saved)
    yield from release_copies(database, mark.since, mark.saved)
    yield from clear_rebuild(database, mark)


def clear_rebuild(database: str, mark: Mark) -> Routine[None]:
    """Drop staging, shadow and mark, never a storage with rows that are nowhere else."""
    # Staging tables, new table, mark: in this order whatever a kill leaves is still named by a mark.
    for name in (yield from staging_tables(database, mark)):
        yield from drop_table(database, name)
    shadow = yield from find_shadow(database, mark)
    if shadow is not None and shadow.uuid == mark.source:
        # The user's rows are under the new table's name: an EXCHANGE has come since this began.
        raise BelatedError(mark.table)
    if shadow is not None and is_shadow(mark, shadow):
        # In phase 'swap' the new table may have been live for a moment: rows of that moment are in it alone.
        late = mark.phase == "swap" and any(part.first > mark.top for part in (yield from parts(shadow)))
        if late:
            reason = "rows were written into it while it was live by mistake"
            yield from keep(replace(mark, source=shadow.uuid, shadow="", saved=(), base=None), shadow, reason)
            yield Emit(Note(f"{mark.table}: {reason}. It is kept until somebody has looked at it", "warning"))
        else:
            yield from drop_shadow(database, mark)
    elif shadow is not None and (yield from whereabouts(database, mark)).exchanged:
        raise BelatedError(mark.table)
    # Before the mark goes, which alone says which views were stopped.
    yield from start_refreshes(mark.stopped)
    if not (yield from _keep_for_return(database, mark)):
        yield from drop_mark(database, mark)


def _keep_for_return(database: str, mark: Mark) -> Routine[bool]:
    """Keep the mark of a table that is away and may come back: it then has our fence and our settings still, and the
    mark alone says that they are ours, and what they were. Each start under the lease looks again."""
    if (yield from storage(database, mark.source)) is not None or not (how := (yield from away(database, mark.source))):
        return False
    # Whatever was made for the copy is gone, and no exchange can come any more.
    waiting = replace(mark, phase="copy", shadow="", filled="", stopped=(), closing=False, back=False, back_to=None)
    if waiting != mark:
        yield from update_mark(database, waiting)
    yield Emit(
        Note(
            f"{mark.table} was {how} by somebody else while it was rebuilt. Once it is there again, the next start "
            "gives it its settings back",
            "warning",
        )
    )
    return True
