"""The write fence: makes a table refuse writers for a moment, and lets them in again.

With ``table_readonly`` they get error 774, and so do deletes and updates. Servers that do not know that setting (25.8
and older) are given a constraint that no row meets: INSERTs get 469 with its name, also through materialized views;
deletes and updates go on. Both are looked at when an INSERT begins, and are metadata only.

INSERTs that run already still commit, so a fence is always followed by a drain. An asynchronous insert that was
acknowledged but not flushed would be lost behind a fence: the queue has to be empty first, and is looked at again at
once afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from aaiclick.clickhouse.features import FENCE, has_readonly_setting
from aaiclick.clickhouse.inserts import drain_all
from aaiclick.clickhouse.mutations import let_renames_end
from aaiclick.clickhouse.names import FENCE_CONSTRAINT, is_ours
from aaiclick.clickhouse.statements import ask, ddl, send
from aaiclick.clickhouse.storages import alter_storage
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import (
    BAD_ARGUMENTS,
    TABLE_IS_PERMANENTLY_READ_ONLY,
    UNKNOWN_TABLE,
    VIOLATED_CONSTRAINT,
)
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import RefusalsCounted, TableExchanged, Waiting, WritersAdmitted, WritersRefused
from aaiclick.routine import Command, Emit, Routine, number
from aaiclick.sql.clauses import add_constraint, drop_constraint, modify_setting, reset_setting
from aaiclick.sql.ddl import alter_table, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

_TRIES = 20
"""How often the fence is put up where asynchronous inserts came in between."""
_QUEUE_SECONDS = 20.0
"""How long their queue may take to run empty the first time; each time as much longer."""
_PAUSE = 0.1


def raise_fence(table: Physical, seconds: float, unless: Callable[[], Routine[bool]] | None = None) -> Routine[bool]:
    """Refuse new writes and wait for those that run.

    ``unless`` is asked as soon as new writes are refused: where it says yes the fence is lifted again, and the answer
    is False. Raises ApplyError with the fence still up: whoever catches it lifts it.
    """
    for attempt in range(_TRIES):
        # While writers are let in: behind the fence a flush is refused, and the rows in the queue would be lost.
        yield from _flush(table, attempt)
        yield from refuse_writers(table)
        yield from emit_fence_event(WritersRefused(table.database, table.name))
        if unless is not None and (yield from unless()):
            yield from lift_fence(table)
            return False
        # An insert may have been accepted between the flush and the fence.
        if not (yield from _queued(table)):
            yield from drain_all(
                table, seconds, "Writers may go on; nothing was changed. Run again when they have ended"
            )
            return True
        # Opened at once, so that the queue can be written; then all of it again.
        yield from lift_fence(table)
    raise ApplyError(
        f"{table.name}: asynchronous inserts keep arriving; behind a fence they would be lost. Stop these writers "
        "for the migration"
    )


def refuse_writers(table: Physical) -> Routine[None]:
    """Refuse INSERTs that begin from now on. Reaches this storage or none; raises ApplyError where the name holds
    another table by now."""
    if (yield from has_readonly_setting()):
        yield from alter_storage(table, (modify_setting(FENCE, 1),))
    else:
        # Constraints are checked for INSERTs alone: rows that are there, merges and mutations are not held to it.
        yield from alter_storage(table, (add_constraint(FENCE_CONSTRAINT, "CHECK 0"),))


def lift_fence(table: Physical) -> Routine[None]:
    """Let writers in again; nothing happens where there is no fence."""
    yield from remove_fence(table)
    if not is_ours(table.name):
        yield from emit_fence_event(WritersAdmitted(table.database, table.name))


def remove_fence(table: Physical) -> Routine[None]:
    """The same, without telling anybody: for a table of which nobody was told that it refuses writers."""
    target = qualified(table.database, table.name)
    constrained = table.constrained
    try:
        # First: behind this setting every other ALTER is refused.
        yield from ddl(alter_table(target, reset_setting(FENCE)))
    except StatementError as error:
        if error.code != BAD_ARGUMENTS:
            raise
        constrained = True  # the server has no such setting
    if constrained:
        yield from let_renames_end(table.database, table.name)
        yield from ddl(alter_table(target, drop_constraint(FENCE_CONSTRAINT, if_exists=True)))


def emit_fence_event(event: WritersRefused | WritersAdmitted | TableExchanged) -> Routine[None]:
    """Say that a fence went up or came down.

    Where somebody counts refused writers, the server is asked for its counter of that error. It never goes back while
    the server runs, so two readings tell how many were refused between them.
    """
    if not (yield Emit(event)):
        return
    code = yield from refusal_code()
    try:
        rows = yield from ask(f"SELECT sum(value) FROM system.errors WHERE code = {code}")
    except StatementError:
        return  # no right to read it: a figure is missing, and the migration goes on
    yield Emit(RefusalsCounted(number(rows[0][0])))


def refusal_code() -> Routine[int]:
    """The error that writers get from this server meanwhile."""
    return TABLE_IS_PERMANENTLY_READ_ONLY if (yield from has_readonly_setting()) else VIOLATED_CONSTRAINT


def _flush(table: Physical, attempt: int) -> Routine[None]:
    wait = Wait(_PAUSE, _PAUSE)
    while (yield from _queued(table)):
        yield Emit(Waiting(f"asynchronous inserts into {table.name} to be flushed", wait.waited))
        if wait.waited == 0.0:
            # Without the right to flush, the queue's own timeout does it.
            with suppress(StatementError):
                yield from send(Command(system("FLUSH ASYNC INSERT QUEUE")))
        wait = yield from rest(wait)
        if wait.waited > _QUEUE_SECONDS * (attempt + 1):
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
        # A server without this table has no such queue.
        if error.code != UNKNOWN_TABLE:
            raise
        return False
    return number(rows[0][0]) > 0
