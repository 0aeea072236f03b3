"""Ending the statements of former holders.

A client that dies leaves its INSERT SELECT running on the server. Copying beside it doubles rows, so whoever
acquires the lease kills every statement that carries the nonce of another holder of this database, and waits until
the last one is gone. This comes after the new lock was made: a former holder that is only slow finds out at its next
check, and what it sent before is found here.
"""

from __future__ import annotations

from collections import Counter

from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clock import clock
from aaiclick.error_codes import UNKNOWN_TABLE
from aaiclick.errors import LockHeldError, StatementError
from aaiclick.events import Note, Waiting
from aaiclick.lease.lock import tagged
from aaiclick.lease.names import BEATS
from aaiclick.lease.renew import RENEWALS, Lease, renew
from aaiclick.routine import Command, Emit, Query, Routine, text
from aaiclick.sql.ddl import kill_where
from aaiclick.sql.quoting import qualified

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0
"""Pauses between two looks grow up to this, in seconds."""
_KILL_AGAIN = 5.0
"""Seconds after which statements that still run are killed once more."""
# SQL takes one of two backslashes away. The comment stands in front, so no text inside of a statement is taken for it.
_TAG = r"^\\s*/\\* aaiclick:([0-9a-z]+) \\*/"


def end_former_statements(lease: Lease, max_wait: float) -> Routine[Lease]:
    """Kill the statements of all other holders and wait for their end; the lease, renewed as often as that took.

    Raises LockHeldError when one is still running after ``max_wait`` seconds, LeaseLostError.
    """
    begun = yield from clock()
    # No pause is longer than half the time between two heartbeats: the lease is renewed meanwhile.
    wait = Wait(_FIRST_PAUSE, min(_LONGEST_PAUSE, lease.seconds / RENEWALS / 2))
    killed, may_kill = float("-inf"), True
    while True:
        running = yield from _statements_of_others(lease)
        if not running:
            return lease
        now = yield from clock()
        elapsed = now - begun
        total = sum(count for _, count in running)
        what = f"{total} statement{'' if total == 1 else 's'} of a migration that ended without notice"
        if elapsed > max_wait:
            raise LockHeldError(f"database {lease.database}: {what} still running after {elapsed:.0f} s")
        if may_kill and now - killed >= _KILL_AGAIN:
            killed = now
            yield Emit(Waiting(what, elapsed))
            may_kill = yield from _kill(lease, tuple(nonce for nonce, _ in running))
        # Renewed here, because ``guarded`` is not at work yet.
        if not 0 <= now - lease.clock < lease.seconds / RENEWALS:
            lease = yield from renew(lease)
        wait = yield from rest(wait)


def _statements_of_others(lease: Lease) -> Routine[tuple[tuple[str, int], ...]]:
    if lease.shared is not None:
        running = yield from lease.shared.running(_TAG, lease.nonce)
        known = (yield from lease.shared.former()) if running else frozenset[str]()
        return tuple(sorted(Counter(nonce for nonce in running if nonce in known).items()))
    try:
        rows = yield Query(
            f"SELECT extract(query, '{_TAG}') AS nonce FROM system.processes WHERE nonce != '' AND nonce != "
            f"{{nonce:String}}",
            {"nonce": lease.nonce},
        )
    except StatementError as error:
        # Old embedded engines run one statement at a time and have no list of them.
        if error.code != UNKNOWN_TABLE or "system.processes" not in error.message:
            raise
        return ()
    if not rows:
        return ()
    # Only nonces with heartbeats in this database count: a migration of another database is none of ours.
    holders = yield Query(f"SELECT DISTINCT nonce FROM {qualified(lease.database, BEATS)}")
    ours = {text(row[0]) for row in holders}
    return tuple(sorted(Counter(text(row[0]) for row in rows if text(row[0]) in ours).items()))


def _kill(lease: Lease, nonces: tuple[str, ...]) -> Routine[bool]:
    """Kill these statements; False where this user may not or the engine cannot: they are waited for then."""
    quoted = ", ".join(f"'{nonce}'" for nonce in nonces)  # matched as [0-9a-z]+ above
    condition = f"extract(query, '{_TAG}') IN ({quoted})"
    try:
        if lease.shared is not None:
            yield from lease.shared.kill(lease.nonce, condition)
        else:
            # ASYNC only marks the statements: whether they have ended is seen by the loop, which also renews the lease.
            yield Command(tagged(lease.nonce, kill_where("QUERY", condition, asynchronous=True)))
    except StatementError as error:
        yield Emit(Note(f"statements of a former migration cannot be killed and are waited for: {error}", "warning"))
        return False
    return True
