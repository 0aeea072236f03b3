"""Runs something under the lease of a database, and gives the lease back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from aaiclick.apply.interrupted import end_interrupted
from aaiclick.clickhouse.shared.bookkeeping import KEEPER_ADVICE, WITHOUT_KEEPER, Bookkeeping, with_bookkeeping
from aaiclick.commands.inspection.where_recorded import TABLES
from aaiclick.errors import ApplyError, LeaseLostError, StatementError
from aaiclick.lease.acquire import INTERRUPTIONS, acquire, give_up, guarded, let_go, release
from aaiclick.lease.entering import StillNeeded
from aaiclick.lease.guard import forget_cache
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import Lease
from aaiclick.routine import Routine

T = TypeVar("T")


def under_lease(
    database: str,
    owner: Owner,
    body: Callable[[Lease], Routine[T]],
    *,
    embedded: bool,
    still_needed: StillNeeded | None = None,
    books: Bookkeeping | None = None,
    collecting: bool = True,
) -> Routine[T | None]:
    """Run ``body`` under the lease and give the lease back, also after an error. None where ``still_needed`` said no
    while another process had the lease. ``books``: where lease and records are; None: where one host has them.
    ``collecting``: as in ``acquire``.

    Raises LockHeldError where the lease was not to be had, LeaseLostError where it was taken over: then nothing is
    given back, it is another's.
    """
    if books is not None and books.shared:
        return (
            yield from with_bookkeeping(
                _under_lease(database, owner, body, embedded, still_needed, books, collecting), books
            )
        )
    return (yield from _under_lease(database, owner, body, embedded, still_needed, None, collecting))


def _under_lease(
    database: str,
    owner: Owner,
    body: Callable[[Lease], Routine[T]],
    embedded: bool,
    still_needed: StillNeeded | None,
    books: Bookkeeping | None,
    collecting: bool,
) -> Routine[T | None]:
    lease: Lease | None = None
    done = False
    try:
        lease = yield from acquire(
            database, owner, still_needed=still_needed, embedded=embedded, books=books, collecting=collecting
        )
        if lease is None:
            return None
        try:
            # From here on each statement carries the mark of this lease, and a statement that takes long is sent with
            # heartbeats beside it.
            answer = yield from guarded(body(lease) if books is None else _opened(books, body, lease), lease)
        # Nothing is given back or cleaned up: the successor is at work already.
        except LeaseLostError:
            raise
        # Marks and journal say what is left: whoever has the lease next finds it.
        except Exception as error:
            yield from give_up(lease)
            if books is not None and isinstance(error, StatementError) and error.code in WITHOUT_KEEPER:
                raise ApplyError(f"{str(error).rstrip('.')}. {KEEPER_ADVICE}") from error
            raise
        done = True
        # The lease was lost behind the last statement: what the cache got may have come after the successor's.
        if not (yield from release(lease)):
            yield from forget_cache(lease)
    except INTERRUPTIONS:
        # Python raises a Ctrl-C anywhere, between two statements too: all that follows the lease is inside of this.
        if lease is not None and not done:
            # Writers are let in again before the lease goes: whoever has it next need not know of this run's fence.
            yield from end_interrupted(lease)
        elif lease is not None:
            yield from let_go(lease)
        raise
    return answer


def _opened(books: Bookkeeping, body: Callable[[Lease], Routine[T]], lease: Lease) -> Routine[T]:
    """Before anything is read or written down, all hosts have the tables for it."""
    from aaiclick.clickhouse.shared.opening import open_tables

    yield from open_tables(books, TABLES)
    return (yield from body(lease))
