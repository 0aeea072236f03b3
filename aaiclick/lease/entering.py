"""From winning the lease to the first statement under it."""

from __future__ import annotations

from collections.abc import Callable

from aaiclick.errors import AaiclickError, LeaseLostError
from aaiclick.events import Note
from aaiclick.lease.contender import Contender, LeaseWait, say_waited
from aaiclick.lease.former_holders import end_former_statements
from aaiclick.lease.renew import Lease, ended_by_successor, not_given_back_note, release
from aaiclick.lease.tombstones import collect
from aaiclick.routine import Emit, Routine

StillNeeded = Callable[[], Routine[bool]]


def lost_at_once(database: str) -> Note:
    """What is said of a lease that was won and lost again before the first statement."""
    return Note(f"the migration lease on database {database} was lost at once; trying again", "warning")


def enter(
    me: Contender, wait: LeaseWait, lease: Lease, still_needed: StillNeeded | None, max_wait: float, collecting: bool
) -> Routine[Lease | None]:
    """What a winner does before its first statement."""
    try:
        yield from say_waited(me, wait, taken=True)
        # Before anything is read for good: a statement of a former holder could still change it.
        lease = yield from end_former_statements(lease, max_wait)
        if collecting:
            yield from collect(lease.database, lease.seconds, lease.nonce)
        # Once more under the lock: between the last look and the CREATE another process may have had the lease and done
        # it all.
        needed = still_needed is None or (yield from still_needed())
    except LeaseLostError:
        raise
    except Exception as error:
        if (yield from ended_by_successor(lease, error)):
            raise LeaseLostError(f"the migration lease on database {lease.database} was lost at once") from error
        yield from give_up(lease)
        raise
    if needed:
        return lease
    yield from release(lease)
    return None


def give_up(lease: Lease) -> Routine[None]:
    """Release the lease after an error. A second error is ignored: the lock then runs out by itself."""
    try:
        yield from release(lease)
    except AaiclickError as error:
        yield Emit(not_given_back_note(lease, error))
