"""A process that wants the lease: how long it waits for one that has it, and what it says meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from aaiclick.clock import clock
from aaiclick.errors import LockHeldError
from aaiclick.events import LeaseTakenOver, LeaseWaited, Note, Waiting
from aaiclick.lease.lock import Beat, Holder, LockState, current_lock, newest_beats
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import Lease
from aaiclick.routine import Emit, Nonce, ProcessGone, Routine, Sleep, flag, text

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
"""Pauses between two looks at the holder grow up to this, in seconds."""
_TELL_AGAIN = 5.0
"""Seconds between two messages about the same wait."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A process that wants the lease."""

    database: str
    """Name of the database."""
    owner: Owner
    """The process."""
    seconds: float
    """How long the lease holds after a heartbeat."""
    embedded: bool
    """The engine runs inside this process."""
    begun: float
    """When it began to ask; Unix seconds, by this machine's clock."""
    tried: list[Lease] = field(default_factory=list[Lease])
    """The lease that it last tried to win, from before the statement that wins it."""


@dataclass(frozen=True, slots=True)
class LeaseWait:
    """What a contender knows of the holder that it waits for."""

    nonce: str = ""
    """The holder's; '': none was seen yet."""
    beats_of: str = ""
    """The nonce of the holder whose heartbeat was seen last: the first one of each holder has the same number."""
    beat: int = -1
    """Number of the holder's last heartbeat; -1: none was seen."""
    seen: int = 0
    """When that heartbeat was first seen; Unix milliseconds, by the server's clock."""
    pause: float = _FIRST_PAUSE
    """Seconds until the next look."""
    told: float = float("-inf")
    """When the last message was given; Unix seconds, by this machine's clock."""
    salt: float = 0.0
    """Between 0 and 1: spreads contenders that began together."""


def not_yet(me: Contender, wait: LeaseWait, why: str, now: float, max_wait: float) -> Routine[LeaseWait]:
    """LeaseWait where there is no holder to be watched. Raises LockHeldError after ``max_wait`` seconds."""
    if now - me.begun > max_wait:
        yield from say_waited(me, wait, taken=False)
        raise LockHeldError(f"database {me.database}: {why}, for {max_wait:.0f} s. Nothing was changed")
    if now - wait.told >= _TELL_AGAIN:
        yield Emit(Waiting(why, now - me.begun))
        wait = replace(wait, told=now)
    yield Sleep(wait.pause)
    return _longer(me, wait)


def wait_for(
    me: Contender, holder: Holder, wait: LeaseWait, left: float, now: float, max_wait: float
) -> Routine[LeaseWait]:
    """LeaseWait for a holder. Raises LockHeldError after ``max_wait`` seconds."""
    if now - me.begun > max_wait:
        yield from say_waited(me, wait, taken=False)
        raise LockHeldError(f"{holder.owner} migrates database {me.database} and did not end in {max_wait:.0f} s")
    return (yield from _pause(me, holder, wait, left, now))


def say_waited(me: Contender, wait: LeaseWait, *, taken: bool) -> Routine[None]:
    """A wait that was told of has ended."""
    if wait.told > float("-inf"):
        yield Emit(LeaseWaited(me.database, (yield from clock()) - me.begun, taken))


def say_taking_over(database: str, owner: Owner, gone: bool) -> Routine[None]:
    """A holder that is dead is taken over."""
    why = ": that process is gone" if gone else ""
    yield Emit(LeaseTakenOver(database, str(owner), gone))
    yield Emit(Note(f"{owner} left a migration of database {database} unfinished{why}; taking over", "warning"))


def _pause(me: Contender, holder: Holder, wait: LeaseWait, left: float, now: float) -> Routine[LeaseWait]:
    """Say every few seconds what is waited for, and sleep: each time longer, but never far beyond the lease's end."""
    if now - wait.told >= _TELL_AGAIN:
        ends = f"its lease ends in {math.ceil(left)} s unless it is renewed" if left > 0 else "its lease has ended"
        yield Emit(Waiting(f"{holder.owner} migrates database {me.database}", now - me.begun, ends))
        wait = replace(wait, told=now)
    if not wait.nonce:
        wait = replace(wait, nonce=holder.nonce, salt=int(text((yield Nonce())[0][0])[:4], 16) / 0xFFFF)
    # Between three and five quarters of the pause, so that contenders that began together do not all ask at once.
    yield Sleep(min(wait.pause * (0.75 + wait.salt / 2), max(left, _FIRST_PAUSE)))
    return _longer(me, wait)


def _longer(me: Contender, wait: LeaseWait) -> LeaseWait:
    # Never much longer than a sixth of the lease time: the end of a short lease is seen soon, too.
    return replace(wait, pause=min(wait.pause * 1.6, _LONGEST_PAUSE, max(me.seconds / 6, _FIRST_PAUSE)))


def holder_is_gone(me: Owner, holder: Owner) -> Routine[bool]:
    """Whether the holder was a process of this very machine, boot and pid namespace, and is no more. A host name and a
    pid prove nothing."""
    if not holder.place or not holder.began or (holder.host, holder.place) != (me.host, me.place):
        return False
    return any(flag(row[0]) for row in (yield ProcessGone(holder.pid, holder.began)))


def time_left(me: Contender, holder: Holder, seen: LockState, wait: LeaseWait) -> Routine[tuple[LeaseWait, float]]:
    """Seconds until this holder counts as dead (0 or less: now), by the server's clock.

    ``seen.now`` is older than the heartbeat read here, so nothing is ever taken for older than it is. Where the clock
    was set back, a heartbeat from the future counts from the moment it was first seen. A lock that nobody here wrote
    has no age: it gets the contender's own lease time.
    """
    beats = yield from newest_beats(me.database, holder.nonce)
    last = beats[0] if beats else Beat(-1, holder.since, holder.seconds, False)
    if not wait.seen or (wait.beats_of, wait.beat) != (holder.nonce, last.count):
        first = seen.now
        if last.at > first:
            # It came behind that look at the clock, before which this process may have stood still for any time, or the
            # clock was set back. The clock behind the heartbeat tells which.
            first = (yield from current_lock(me.database)).now
        wait = replace(wait, beats_of=holder.nonce, beat=last.count, seen=first)
    # One process at a time has the directory open, and it is this one: whoever is in another process, or from before
    # the engine's start, cannot be at work.
    elsewhere = (holder.owner.host, holder.owner.pid) != (me.owner.host, me.owner.pid)
    if me.embedded and (elsewhere or last.at < seen.engine_started):
        return wait, 0.0
    at, granted = (wait.seen, me.seconds) if holder.since == 0 else (min(last.at, wait.seen), last.seconds)
    return wait, granted - (seen.now - at) / 1000
