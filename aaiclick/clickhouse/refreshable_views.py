"""Stops refreshable views while their target is rebuilt: a refresh ends with an exchange of the target, which would
take away the table that is being copied.

They are stopped before writers and merges are, and the mark says which: whoever brings the rebuild to its end, or
undoes it, starts them again. A restart of the server starts them by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.clickhouse.background_inserts import find_background_inserts
from aaiclick.clickhouse.statements import ask, send
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import BAD_ARGUMENTS, SYNTAX_ERROR, UNKNOWN_TABLE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.routine import Command, Routine, text
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified

_POLL = 0.05
_LONGEST = 60.0
"""Seconds that a refresh may go on which was told to stop."""
_STATUS = "SELECT database, view, status FROM system.view_refreshes ORDER BY database, view"
_OFF = frozenset({"Disabled"})


def running_refreshes(database: str, table: str) -> Routine[tuple[str, ...]]:
    """The refreshable views that fill the table and are not stopped already, by their quoted names."""
    found = yield from find_background_inserts(database, table)
    if not found.refreshed:
        return ()
    status = yield from _status()
    return tuple(name for name in found.refreshed if status.get(name, "") not in _OFF)


def stop_refreshes(views: Sequence[str]) -> Routine[None]:
    """Stop them and wait until none is under way. Raises ApplyError where one goes on, StatementError where this user
    may not stop it."""
    for name in views:
        # It holds off the next refresh and tells the one that runs to stop; it does not wait for its end.
        yield from send(Command(system("STOP VIEW", name)))
    wait = Wait(_POLL, _POLL)
    while True:
        status = yield from _status()
        # A view that is in no list was dropped meanwhile: it does not run.
        running = [name for name in views if status.get(name, "Disabled") not in _OFF]
        if not running:
            return
        if wait.waited > _LONGEST:
            raise ApplyError(
                f"the view {running[0]} is still being refreshed {wait.waited:.0f} s after it was stopped. Run again "
                "when it has ended"
            )
        wait = yield from rest(wait, f"the refresh of {running[0]} to end")


def start_refreshes(views: Sequence[str]) -> Routine[None]:
    """Start them again. One that was dropped meanwhile is ignored."""
    for name in views:
        try:
            yield from send(Command(system("START VIEW", name)))
        except StatementError as error:
            # Dropped or made anew without REFRESH since it was stopped; or the server does not know the statement.
            if error.code not in (UNKNOWN_TABLE, BAD_ARGUMENTS, SYNTAX_ERROR):
                raise


def _status() -> Routine[dict[str, str]]:
    rows = yield from ask(_STATUS)
    return {qualified(text(database), text(view)): text(status) for database, view, status in rows}
