"""The lease: one process at a time changes the schema of a database.

    lease = yield from acquire(database, owner, still_needed=...)
    if lease is not None:
        yield from guarded(work(), lease)
        yield from release(lease)

It is free where there is nothing to do: nothing of this runs before a difference was found. A holder that is dead or
paused for longer than the lease time is taken over; one whose process is known to be gone, at once. Whoever waits says
so, asks ``still_needed`` again whenever a holder has ended, and goes on without the lease once the answer is no.

The protocol is in ``contender`` (waiting for another holder), ``entering`` (between winning it and the first
statement), ``acquire_shared`` (that of a cluster), ``lock`` (lock and heartbeats), ``tombstones`` (how an
incarnation ends), ``renew`` (renew, check, release), ``former_holders`` (ending their statements) and ``guard``
(carrying out work under it).
"""

from __future__ import annotations

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clock import clock
from aaiclick.errors import AaiclickError, LeaseLostError
from aaiclick.lease.contender import (
    Contender,
    LeaseWait,
    holder_is_gone,
    say_taking_over,
    say_waited,
    time_left,
    wait_for,
)
from aaiclick.lease.entering import StillNeeded, enter, give_up, lost_at_once
from aaiclick.lease.guard import guarded
from aaiclick.lease.lock import Holder, create_beats, create_lock, current_lock, tagged
from aaiclick.lease.owner import Owner, this_process
from aaiclick.lease.renew import (
    Lease,
    check,
    ended_by_successor,
    not_given_back_note,
    release,
    renew,
    renew_loop_step,
)
from aaiclick.lease.tombstones import end_lock
from aaiclick.relay import INTERRUPTIONS
from aaiclick.routine import Emit, Nonce, Routine, text

__all__ = [
    "INTERRUPTIONS",
    "Lease",
    "Owner",
    "acquire",
    "check",
    "give_up",
    "guarded",
    "let_go",
    "release",
    "renew",
    "renew_loop_step",
    "tagged",
    "this_process",
]

LEASE_SECONDS = 30.0
"""So long a holder that was killed is waited for where nobody can tell that its process is gone."""
MAX_WAIT = 600.0
"""So long a holder that is alive is waited for."""


def acquire(
    database: str,
    owner: Owner,
    *,
    lease_seconds: float = LEASE_SECONDS,
    still_needed: StillNeeded | None = None,
    max_wait: float = MAX_WAIT,
    embedded: bool = False,
    books: Bookkeeping | None = None,
    collecting: bool = True,
) -> Routine[Lease | None]:
    """The lease on a database, or None where ``still_needed`` answered no.

    ``still_needed`` is asked after another holder has ended and once more under the lease. ``embedded`` says that the
    engine lives in this process: then a holder in another process, or from before the engine's start, is dead for
    certain (one process at a time has the directory open) and its lease time is not waited for. ``books``: where
    several hosts have the lease in common. ``collecting``: tombstones of former locks are looked for here; False: the
    caller does that with what it reads under the lease, and asks itself whether it is still needed there.
    Raises LockHeldError after ``max_wait`` seconds; StatementError where this user may not create or rename tables.
    """
    me = Contender(database, owner, lease_seconds, embedded, (yield from clock()))
    try:
        if books is not None and books.shared:
            # One host loads nothing that only many need.
            from aaiclick.lease.acquire_shared import acquire_shared
            from aaiclick.lease.keeper import KeeperLease

            return (yield from acquire_shared(me, KeeperLease(books), still_needed, max_wait))
        return (yield from _acquire(me, still_needed, max_wait, collecting))
    except INTERRUPTIONS:
        # Whoever asks next would have to wait for it: nobody else knows of this one yet.
        for lease in me.tried:
            yield from let_go(lease)
        raise


def _acquire(
    me: Contender, still_needed: StillNeeded | None, max_wait: float, collecting: bool
) -> Routine[Lease | None]:
    database, wait = me.database, LeaseWait()
    while True:
        seen = yield from current_lock(database)
        holder = seen.holder
        # Whoever was waited for has ended, and may have done all that this run wanted: that is asked before it
        # contends.
        if wait.nonce and (holder is None or holder.nonce != wait.nonce):
            wait = LeaseWait(told=wait.told)
            if still_needed is not None and not (yield from still_needed()):
                yield from say_waited(me, wait, taken=False)
                return None
        elif holder is None:
            # Several may find it free. CREATE TABLE has one winner, the others look again.
            lease = yield from _create(me, seen.now)
            if lease is not None:
                try:
                    asked = still_needed if collecting else None
                    return (yield from enter(me, wait, lease, asked, max_wait, collecting))
                # Won and lost again before the first statement, as after a long pause. Nothing was done under it, so
                # this process contends once more, like any other.
                except LeaseLostError:
                    yield Emit(lost_at_once(database))
        else:
            wait, left = yield from time_left(me, holder, seen, wait)
            # A process of this machine that is certainly gone is not waited for.
            gone = left > 0 and (yield from holder_is_gone(me.owner, holder.owner))
            # Ended is not yet won: the next turn finds the lock free and contends for it, beside everybody who has
            # watched.
            if (left > 0 and not gone) or not (yield from _take_over(database, holder, gone)):
                wait = yield from wait_for(me, holder, wait, left, (yield from clock()), max_wait)


def _take_over(database: str, holder: Holder, gone: bool) -> Routine[bool]:
    """End a dead holder's incarnation; False where somebody else did. Who makes the next lock is open to all
    contenders."""
    nonce = text((yield Nonce())[0][0])
    if (yield from end_lock(database, holder.nonce, nonce)) is None:
        return False
    yield from say_taking_over(database, holder.owner, gone)
    return True


def _create(me: Contender, now: int) -> Routine[Lease | None]:
    """Try to win the free lock; with the first heartbeat the nonce is known to every later holder."""
    nonce = text((yield Nonce())[0][0])
    # The table before the lock: the first heartbeat then follows the lock with nothing in between, and a lock without
    # one is taken over after its lease time.
    yield from create_beats(me.database)
    lease = Lease(me.database, nonce, me.owner, me.seconds, now, 0.0, embedded=me.embedded)
    # Before the CREATE: an interruption may leave it carried out and unanswered, and then the lock has to be given
    # back.
    me.tried[:] = [lease]
    # The comment goes with the CREATE, so the time in it is that of the look before.
    if not (yield from create_lock(me.database, Holder(nonce, me.owner, now, me.seconds))):
        return None
    try:
        # A lock without a heartbeat holds for one lease time from the time in its comment. A kill right here costs the
        # next contender that long, and no more.
        return (yield from renew(lease, first=True))
    except LeaseLostError:
        return None
    except Exception as error:
        if (yield from ended_by_successor(lease, error)):
            return None
        yield from give_up(lease)
        raise


def let_go(lease: Lease) -> Routine[None]:
    """Release a lease after an interruption, where it is held: it may not have been won yet, or be given back
    already."""
    try:
        # First: of a lease that was never won, or is given back already, there is nothing to tell.
        yield from check(lease)
        yield from release(lease)
    except AaiclickError as error:
        if not isinstance(error, LeaseLostError):
            yield Emit(not_given_back_note(lease, error))
