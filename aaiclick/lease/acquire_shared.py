"""The lease of a cluster, which its hosts have in common: a free one and that of a dead holder are both won by the next
generation (``keeper``)."""

from __future__ import annotations

from aaiclick.clickhouse.shared.bookkeeping import NOT_NOW, Bookkeeping
from aaiclick.clock import clock
from aaiclick.errors import LeaseLostError, StatementError
from aaiclick.lease.contender import (
    Contender,
    LeaseWait,
    holder_is_gone,
    not_yet,
    say_taking_over,
    say_waited,
    wait_for,
)
from aaiclick.lease.entering import StillNeeded, enter, lost_at_once
from aaiclick.lease.generations import open_lease
from aaiclick.lease.keeper import GenerationWatch, KeeperLease, known, watch_on, win
from aaiclick.lease.lock import Holder
from aaiclick.lease.one_host import one_host_holder
from aaiclick.lease.renew import Lease
from aaiclick.routine import Emit, Nonce, Routine, text


def acquire_shared(
    me: Contender, store: KeeperLease, still_needed: StillNeeded | None, max_wait: float
) -> Routine[Lease | None]:
    """The same on a cluster: a free lease and that of a dead holder are both won by the next generation."""
    # Before any look: the host needs the tables to answer.
    yield from open_lease(store.books)
    # One nonce for all attempts: an INSERT that nobody answered is known by it when its row shows up.
    nonce = text((yield Nonce())[0][0])
    wait, watch, lost_number = LeaseWait(), GenerationWatch(), 0
    while True:
        seen = yield from known(store.books)
        now = yield from clock()
        # Neither a reason to contend nor one to take anybody for dead: a host that lags behind may lack the newest row.
        if isinstance(seen, StatementError):
            why = f"the host that answers does not know who migrates database {me.database}"
            wait = yield from not_yet(me, wait, f"{why} ({seen.message.partition('. ')[0]})", now, max_wait)
            continue
        if wait.nonce and (seen.free or seen.nonce != wait.nonce):
            wait = LeaseWait(told=wait.told)
            if still_needed is not None and not (yield from still_needed()):
                yield from say_waited(me, wait, taken=False)
                return None
        watch = watch_on(watch, seen, now)
        # Nobody knows how long a generation was granted of which the row is lost.
        left = watch.left(seen, seen.seconds if seen.nonce else me.seconds)
        base = seen.number
        # That number was tried in vain, and after a whole lease time no row has it: its token may be used up for good,
        # so the next number is contended for.
        if lost_number > base and left <= 0:
            base = lost_number
        mine = seen.nonce == nonce  # won after all, by an INSERT that nobody answered: too late to count on its time
        free = seen.free or mine
        gone = not free and bool(seen.nonce) and left > 0 and (yield from holder_is_gone(me.owner, seen.owner))
        if not (free or gone or left <= 0):
            wait = yield from wait_for(me, Holder(seen.nonce, seen.owner, 0, seen.seconds), wait, left, now, max_wait)
            continue
        # A release that knows no clusters has a lock of its own on one host, and sees nothing of this lease: so it is
        # looked for before a generation is won.
        older = yield from one_host_holder(store.books, me.seconds)
        if older:
            wait = yield from not_yet(me, wait, older, now, max_wait)
            continue
        if not free:
            yield from say_taking_over(me.database, seen.owner, gone)
        # The holder's time counts from before its INSERT, a contender's from the look that shows the row: the holder's
        # is over first.
        sent = yield from clock()
        lease = Lease(me.database, nonce, me.owner, me.seconds, 0, sent, store, base + 1)
        me.tried[:] = [lease]
        won = yield from _won(store.books, base, nonce, me)
        if won:
            try:
                return (yield from enter(me, wait, lease, still_needed, max_wait, collecting=False))
            except LeaseLostError:
                yield Emit(lost_at_once(me.database))
                # The old nonce stands in a generation that is over: with it that row would be taken for this one's.
                nonce = text((yield Nonce())[0][0])
        else:
            lost_number = base + 1
            wait = yield from not_yet(me, wait, f"another process begins to migrate {me.database}", now, max_wait)


def _won(books: Bookkeeping, base: int, nonce: str, me: Contender) -> Routine[bool]:
    """Whether the next generation is this one's. Where the host does not know, the next look tells: a generation that
    was won all the same is followed by another one."""
    try:
        return (yield from win(books, base, nonce, me.owner, me.seconds))
    except StatementError as error:
        if error.code not in NOT_NOW:
            raise
        return False
