"""Doing something under the lease of a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from aaiclick.apply.interrupted import end_interrupted
from aaiclick.errors import LeaseLostError
from aaiclick.lease.acquire import StillNeeded, acquire, guarded, release
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import Lease
from aaiclick.routine import Interruption, Routine

T = TypeVar("T")


def under_lease(
    database: str,
    owner: Owner,
    body: Callable[[Lease], Routine[T]],
    *,
    embedded: bool,
    still_needed: StillNeeded | None = None,
) -> Routine[T | None]:
    """Run ``body`` under the lease and give the lease back, also after an error. None where ``still_needed`` said no
    while another process had the lease.

    Raises LockHeldError where the lease was not to be had, LeaseLostError where it was taken over: then nothing is
    given back, it is another's.
    """
    lease = yield from acquire(database, owner, still_needed=still_needed, embedded=embedded)
    if lease is None:
        return None
    try:
        answer = yield from guarded(body(lease), lease)
    except LeaseLostError:
        raise
    except Interruption:
        # Writers are let in again before the lease goes: whoever has it next need not know of this run's fence.
        yield from end_interrupted(lease)
        raise
    except Exception:
        yield from release(lease)
        raise
    yield from release(lease)
    return answer
