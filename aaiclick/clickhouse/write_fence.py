"""Keeping writers out for a moment with ``table_readonly``: they get error 774 until the exchange.

INSERTs that run already still commit, so a fence is always followed by a drain. An asynchronous insert that was
acknowledged but not flushed would be lost behind a fence: the queue has to be empty first, and is looked at again at
once afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.inserts import drain_all
from aaiclick.clickhouse.names import is_ours
from aaiclick.clickhouse.statements import ask, ddl, send
from aaiclick.clickhouse.storages import alter_storage
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import TABLE_IS_PERMANENTLY_READ_ONLY, UNKNOWN_TABLE
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import RefusalsCounted, TableExchanged, Waiting, WritersAdmitted, WritersRefused
from aaiclick.routine import Command, Emit, Routine, number
from aaiclick.sql.clauses import modify_setting, reset_setting
from aaiclick.sql.ddl import alter_table, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

_TRIES = 20
_PAUSE = 0.1


def raise_fence(table: Physical, seconds: float, unless: Callable[[], Routine[bool]] | None = None) -> Routine[bool]:
    """Refuse new writes and wait for those that run.

    ``unless`` is asked as soon as new writes are refused: where it says yes the fence is lifted again, and the answer
    is False. Raises ApplyError with the fence still up: whoever catches it lifts it.
    """
    for attempt in range(_TRIES):
        yield from _flush(table, attempt)
        yield from alter_storage(table, (modify_setting(FENCE, 1),))
        yield from tell(WritersRefused(table.database, table.name))
        if unless is not None and (yield from unless()):
            yield from lift_fence(table)
            return False
        if not (yield from _queued(table)):
            yield from drain_all(
                table, seconds, "Writers may go on; nothing was changed. Run again when they have ended"
            )
            return True
        yield from lift_fence(table)
    raise ApplyError(
        f"{table.name}: asynchronous inserts keep arriving; behind a fence they would be lost. Stop these writers "
        "for the migration"
    )


def lift_fence(table: Physical) -> Routine[None]:
    """Let writers in again; nothing happens where there is no fence."""
    yield from ddl(alter_table(qualified(table.database, table.name), reset_setting(FENCE)))
    if not is_ours(table.name):
        yield from tell(WritersAdmitted(table.database, table.name))


def tell(event: WritersRefused | WritersAdmitted | TableExchanged) -> Routine[None]:
    """Say that a fence went up or came down.

    Where somebody counts refused writers, the server is asked for its counter of that error. It never goes back while
    the server runs, so two readings tell how many were refused between them.
    """
    if not (yield Emit(event)):
        return
    try:
        rows = yield from ask(f"SELECT sum(value) FROM system.errors WHERE code = {TABLE_IS_PERMANENTLY_READ_ONLY}")
    except StatementError:
        return  # no right to read it: a figure is missing, and the migration goes on
    yield Emit(RefusalsCounted(number(rows[0][0])))


def _flush(table: Physical, attempt: int) -> Routine[None]:
    wait = Wait(_PAUSE, _PAUSE)
    while (yield from _queued(table)):
        yield Emit(Waiting(f"asynchronous inserts into {table.name} to be flushed", wait.waited))
        if wait.waited == 0.0:
            # Without the right to flush, the queue's own timeout does it.
            with suppress(StatementError):
                yield from send(Command(system("FLUSH ASYNC INSERT QUEUE")))
        wait = yield from rest(wait)
        if wait.waited > _TRIES * (attempt + 1):
            raise ApplyError(
                f"{table.name}: the queue of asynchronous inserts does not run empty. Stop these writers for the "
                "migration"
            )


def _queued(table: Physical) -> Routine[bool]:
    try:
        rows = yield from ask(
            "SELECT count() FROM system.asynchronous_inserts WHERE database = unhex({db:String}) AND table = "
            "unhex({name:String})",
            {"db": hexed(table.database), "name": hexed(table.name)},
        )
    except StatementError as error:
        if error.code != UNKNOWN_TABLE:
            raise
        return False
    return number(rows[0][0]) > 0
