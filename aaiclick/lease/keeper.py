"""The lease of a cluster: who gets it, who waits, who is taken over.

A contender takes a holder for dead after it has itself watched the same heartbeat for the whole lease time: each look
comes after the host has caught up, and the time between two looks counts from the end of the first to the beginning of
the second. A holder counts from before a heartbeat was sent, and only once it was acknowledged. So its time is over
before any contender's is, whatever the clocks of the hosts say and however far a host is behind.

A holder whose heartbeat was acknowledged too late may have been taken for dead. It goes on only where it wins the next
generation itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.clickhouse.shared.bookkeeping import NOT_NOW, Bookkeeping
from aaiclick.clickhouse.shared.tables import QUEUE
from aaiclick.clickhouse.topology import GLANCE
from aaiclick.clock import clock
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.lease.generations import (
    Generation,
    announce,
    beat,
    highest_generation,
    holder,
    holders,
    read_local,
    while_held,
)
from aaiclick.lease.lock import tagged
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import Lease, lost_error, not_given_back_note, taken_over_note
from aaiclick.routine import Command, Emit, Query, Routine, Sleep, text
from aaiclick.sql.ddl import kill_everywhere
from aaiclick.sql.quoting import quote_string

_PAUSE = 0.2
_LONGEST_PAUSE = 2.0
"""Pauses between two attempts to give the lease back grow up to this, in seconds."""


@dataclass(frozen=True, slots=True)
class KeeperLease:
    """How a lease is held on these hosts."""

    books: Bookkeeping

    @property
    def home(self) -> str:
        """The database with the tables whose lines are only taken from the holder."""
        return self.books.home

    def renew(self, lease: Lease, seconds: float) -> Routine[Lease]:
        """A heartbeat, and a look whether there is a later generation. Raises LeaseLostError."""
        sent = yield from clock()
        # The time counts from before the sending: whoever watches sees the row later than that.
        yield from beat(self.books, lease.nonce, seconds)
        acknowledged = yield from clock()
        # After the heartbeat: a generation that was won before it shows now, and whoever contends later sees this
        # heartbeat.
        yield from self._confirm(lease)
        # A negative age means that the clock was set back: nobody knows how much time has passed, so it counts as too
        # much.
        if 0 <= acknowledged - lease.clock < lease.seconds:
            return replace(lease, clock=sent)
        # Too late: a contender may have seen the end of the time before and be on its way. Whoever is first wins.
        sent = yield from clock()
        won = yield from win(self.books, lease.generation, lease.nonce, lease.owner, lease.seconds)
        if not won:
            yield from self._confirm(lease)
            raise lost_error(lease, None)
        return replace(lease, clock=sent, generation=lease.generation + 1)

    def check(self, lease: Lease) -> Routine[None]:
        """Raises LeaseLostError. Where the host does not know, the time that was granted has to do."""
        try:
            yield from self._confirm(lease)
        except StatementError as error:
            now = yield from clock()
            if error.code not in NOT_NOW or not 0 <= now - lease.clock < lease.seconds:
                raise
            # The rows here may be old, but as long as the granted time runs nobody can have taken this holder for dead.
            self._compare(lease, (yield from read_local(self.books, now)))

    def release(self, lease: Lease) -> Routine[None]:
        """Say that the generation has ended. A host that does not know is asked again until the lease has run out by
        itself; it is no error of what was done under it."""
        pause = _PAUSE
        while True:
            try:
                # From the second attempt on, the row that says so may be that of an earlier one which got no answer.
                yield from self._end(lease, again=pause > _PAUSE)
            except StatementError as error:
                if error.code not in NOT_NOW and not isinstance(error, OutcomeUnknownError):
                    raise
                now = yield from clock()
                if not 0 <= now - lease.clock < lease.seconds:
                    yield Emit(not_given_back_note(lease, error))
                    return
            else:
                return
            yield Sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _end(self, lease: Lease, *, again: bool) -> Routine[None]:
        seen = yield from holder(self.books)
        if again and seen.nonce == lease.nonce and seen.ended:
            return  # by a line that was not answered
        if seen.nonce == lease.nonce and not seen.ended:
            # The token is that of the number: sent again, it is one row.
            yield from announce(self.books, seen.number, lease.nonce, "ended", lease.owner, lease.seconds)
            return
        yield Emit(taken_over_note(lease))

    def running(self, tag: str, nonce: str) -> Routine[tuple[str, ...]]:
        """Statements of others on every host that answers; a host that is down runs none."""
        rows = yield Query(
            f"SELECT extract(query, '{tag}') AS nonce FROM clusterAllReplicas({quote_string(self.books.cluster)}, "
            "system.processes) WHERE nonce != '' AND nonce != {nonce:String}",
            {"nonce": nonce},
            GLANCE,
        )
        return tuple(text(row[0]) for row in rows)

    def kill(self, nonce: str, condition: str) -> Routine[None]:
        """Kill statements on all hosts."""
        yield Command(tagged(nonce, kill_everywhere("QUERY", self.books.cluster, condition)), settings=QUEUE)

    def former(self) -> Routine[frozenset[str]]:
        """The nonces of all that ever held it."""
        return (yield from holders(self.books))

    def while_held(self, nonce: str) -> str:
        """A condition for lines of the journal, the records and the notes."""
        return while_held(self.books, nonce)

    def _confirm(self, lease: Lease) -> Routine[None]:
        self._compare(lease, (yield from holder(self.books)))

    def _compare(self, lease: Lease, seen: Generation) -> None:
        if seen.nonce != lease.nonce or seen.ended:
            raise lost_error(lease, seen.owner if seen.nonce != lease.nonce and seen.nonce else None)


def win(books: Bookkeeping, after: int, nonce: str, owner: Owner, seconds: float) -> Routine[bool]:
    """Try to become the generation after this one. True if exactly one row has that number, and it has this nonce.

    An INSERT without an answer is no defeat: the row is looked for. If it is carried out later still, that generation
    has no heartbeat and is taken over like a dead one. Raises StatementError where the host does not know.
    """
    try:
        yield from announce(books, after + 1, nonce, "held", owner, seconds)
    except StatementError as error:
        if error.code not in NOT_NOW and not isinstance(error, OutcomeUnknownError):
            raise
    # Keeper acknowledges the INSERTs of all who sent this token, and takes one: only the row says whose.
    seen = yield from holder(books)
    return seen.number == after + 1 and seen.nonce == nonce and not seen.ended


@dataclass(frozen=True, slots=True)
class GenerationWatch:
    """What a contender has seen of a generation."""

    number: int = 0
    """Its own."""
    nonce: str = ""
    """Of its holder."""
    beats: int = -1
    """How many heartbeats it had."""
    since: float = 0.0
    """Since when those have been the newest: the end of the first look; Unix seconds, by this machine's clock."""
    engine_since: int = 0
    """The same by the host's clock; Unix milliseconds."""

    def left(self, seen: Generation, seconds: float) -> float:
        """Seconds until the holder counts as dead. The clock that has moved less counts: both may be set."""
        by_clock, by_engine = seen.asked - self.since, (seen.engine_now - self.engine_since) / 1000
        return seconds - min(by_clock, by_engine)


def watch_on(watch: GenerationWatch, seen: Generation, ended: float) -> GenerationWatch:
    """Go on watching the same heartbeat, or begin with a new one. ``ended``: when this look was over."""
    if (watch.number, watch.nonce, watch.beats) == (seen.number, seen.nonce, seen.beats):
        return watch
    # Counted from the end of the look: the heartbeat may have been written while it was under way.
    return GenerationWatch(seen.number, seen.nonce, seen.beats, ended, seen.engine_now)


def known(books: Bookkeeping) -> Routine[Generation | StatementError]:
    """The highest generation; the error where the host does not know it."""
    try:
        return (yield from highest_generation(books))
    except StatementError as error:
        if error.code not in NOT_NOW:
            raise
        return error
