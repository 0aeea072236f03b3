"""Renews, checks and gives back the lease.

A holder is sure of its lease for as long as the granted time since its last heartbeat has not passed; afterwards
another process may have taken over. It is therefore renewed at every third of the time, and a holder that is late by
its own clock asks before it goes on (see ``aaiclick.lease.guard``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from aaiclick.clock import clock
from aaiclick.error_codes import QUERY_WAS_CANCELLED, UNKNOWN_DATABASE, UNKNOWN_TABLE
from aaiclick.errors import AaiclickError, ConnectionFailed, LeaseLostError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.lease.lock import Beat, beat, current_lock, newest_beats
from aaiclick.lease.owner import Owner
from aaiclick.lease.tombstones import collect, drop_tombstone, end_lock
from aaiclick.routine import Emit, Routine

RENEWALS = 3
"""Heartbeats in one lease time: two may fail before anything is lost."""


_ENDED_BY_OTHERS = (UNKNOWN_TABLE, UNKNOWN_DATABASE, QUERY_WAS_CANCELLED)
"""What a statement fails with when a successor has killed it, or has removed the scratch objects that it names."""


class SharedLease(Protocol):
    """How the lease is held where several hosts of a cluster have it in common (``keeper``)."""

    @property
    def home(self) -> str:
        """The database with the tables whose lines are only taken from the holder."""
        ...

    def renew(self, lease: Lease, seconds: float) -> Routine[Lease]:
        """As ``renew``."""
        ...

    def check(self, lease: Lease) -> Routine[None]:
        """As ``check``."""
        ...

    def release(self, lease: Lease) -> Routine[None]:
        """As ``release``."""
        ...

    def running(self, tag: str, nonce: str) -> Routine[tuple[str, ...]]:
        """The tag of each statement that runs on any host and has another one than ``nonce``. ``tag``: the pattern of
        one."""
        ...

    def kill(self, nonce: str, condition: str) -> Routine[None]:
        """Kill statements on all hosts."""
        ...

    def former(self) -> Routine[frozenset[str]]:
        """The nonces of all that ever held it."""
        ...

    def while_held(self, nonce: str) -> str:
        """As ``lock.while_held``."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change one database, until some time after the last heartbeat."""

    database: str
    """Name of the database."""
    nonce: str
    """Tells this lease from every other one."""
    owner: Owner
    """The process that holds it."""
    seconds: float
    """How long it holds after a heartbeat."""
    since: int
    """Before the lock was made; Unix milliseconds, by the server's clock."""
    clock: float
    """Before the last heartbeat was sent; Unix seconds, by this machine's clock."""
    shared: SharedLease | None = None
    """How several hosts have it in common; None: it is that of one host."""
    generation: int = 0
    """Its number among the holders of a cluster."""
    embedded: bool = False
    """The engine runs inside this process."""


def renew(lease: Lease, seconds: float | None = None, *, first: bool = False) -> Routine[Lease]:
    """Write a heartbeat and make sure that the lock is still this one's.

    ``seconds`` grants more time than the lease says (never less) until the next heartbeat: for one long statement on a
    client that has no second connection to renew beside it. A dead holder is then taken over that much later.
    ``first``: there is no heartbeat of this incarnation yet, so none has to be read. Raises LeaseLostError.
    """
    granted = lease.seconds if seconds is None else seconds
    if lease.shared is not None:
        return (yield from lease.shared.renew(lease, granted))
    sent = yield from clock()
    # The heartbeat before the look: a lock that is still there after it can only be taken by somebody who had read the
    # heartbeats before it (see below).
    yield from beat(lease.database, lease.nonce, granted)
    # RENAME takes whatever has the name of the lock: whose it is has to be known before.
    seen = yield from current_lock(lease.database)
    if seen.holder is None or seen.holder.nonce != lease.nonce:
        raise lost_error(lease, seen.holder.owner if seen.holder is not None else None)
    beats = () if first else (yield from newest_beats(lease.database, lease.nonce))
    # The newest is the one that was just written.
    before = beats[1] if len(beats) > 1 else Beat(0, lease.since, lease.seconds, False)
    # Visible only now: had the heartbeat before this one run out, a contender may have seen it and be on its way to
    # rename the lock. That is written down, and this incarnation's tombstone is kept for it.
    if not before.at <= seen.now <= before.expires:
        yield from beat(lease.database, lease.nonce, granted, late=True)
    return replace(lease, clock=sent)


def renew_loop_step(lease: Lease) -> Routine[float]:
    """One renewal beside a running statement; the seconds until the next one is due.

    Heartbeats are rows keyed by the nonce, so any connection may write them. ``guarded`` sends this routine along with
    every long statement, and the driver carries it out on a second connection until that has ended. LeaseLostError ends
    the loop: the successor kills the statement by its tag, and the guarded routine finds out before the next one.
    """
    yield from renew(lease)
    return lease.seconds / RENEWALS


def check(lease: Lease) -> Routine[None]:
    """Make sure that the lock is still this one's: one round trip, nothing is written. Raises LeaseLostError."""
    if lease.shared is not None:
        yield from lease.shared.check(lease)
        return
    seen = yield from current_lock(lease.database)
    if seen.holder is None or seen.holder.nonce != lease.nonce:
        raise lost_error(lease, seen.holder.owner if seen.holder is not None else None)


def release(lease: Lease) -> Routine[bool]:
    """Give the lease back; False where it was lost meanwhile, which is only noted: there is nothing left to stop. So is
    that it could not be given back because the connection was lost: all that was done under it is done."""
    try:
        return (yield from _release(lease))
    except (OutcomeUnknownError, ConnectionFailed) as error:
        yield Emit(not_given_back_note(lease, error))
        return True


def _release(lease: Lease) -> Routine[bool]:
    if lease.shared is not None:
        yield from lease.shared.release(lease)
        return True
    seen = yield from current_lock(lease.database)
    ended: int | None = None
    # RENAME takes whatever has the name. Where the lock changes hands behind this look, ``end_lock`` sees what it has
    # renamed, and puts it back.
    if seen.holder is not None and seen.holder.nonce == lease.nonce:
        ended = yield from end_lock(lease.database, lease.nonce, lease.nonce)
    if ended is None:
        yield Emit(taken_over_note(lease))
        return False
    try:
        # Heartbeats that were all in time mean that no contender ever saw this incarnation expired: nobody is about to
        # rename its lock, so its tombstone has nothing to guard. None can have been late within the first lease time.
        if lease.since <= ended <= lease.since + round(lease.seconds * 1000) or (yield from _in_time(lease, ended)):
            yield from drop_tombstone(lease.database, lease.nonce)
        else:
            yield from collect(lease.database, lease.seconds, lease.nonce)
    # The lock has its tombstone name by now, so the lease is free: what is left costs nobody anything.
    except (StatementError, ConnectionFailed) as error:
        yield Emit(
            Note(
                f"the lease on database {lease.database} was given back, its remains are left to the next run: {error}"
            )
        )
    return True


def _in_time(lease: Lease, ended: int) -> Routine[bool]:
    beats = yield from newest_beats(lease.database, lease.nonce)
    return bool(beats) and not beats[0].late and beats[0].at <= ended <= beats[0].expires


def ended_by_successor(lease: Lease, error: Exception) -> Routine[bool]:
    """Whether a statement failed because whoever took this lease over has killed it, or has removed what it was working
    on."""
    if not isinstance(error, StatementError) or error.code not in _ENDED_BY_OTHERS:
        return False
    try:
        yield from check(lease)
    except LeaseLostError:
        return True
    # Nobody can say now whose the lock is: the error counts as the statement's own. The next statement asks again.
    except AaiclickError:
        return False
    return False


def taken_over_note(lease: Lease) -> Note:
    """The note for a lease that was taken over before it was given back."""
    return Note(
        f"the migration lease on database {lease.database} had been taken over before it was given back", "warning"
    )


def not_given_back_note(lease: Lease, error: AaiclickError) -> Note:
    """The note for a lease that runs out by itself: whoever wants it waits for that."""
    return Note(f"the migration lease on database {lease.database} could not be given back: {error}", "warning")


def lost_error(lease: Lease, successor: Owner | None) -> LeaseLostError:
    """The error of a holder that is one no longer."""
    by = f"{successor} took over" if successor is not None else "its lock is gone"
    return LeaseLostError(f"this run no longer holds the migration lease on database {lease.database}: {by}")
