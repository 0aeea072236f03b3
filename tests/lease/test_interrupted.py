"""Ctrl-C at any moment between the first look at the lease and its end: the lease is free afterwards."""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

import pytest

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, keeping
from aaiclick.commands.session import under_lease
from aaiclick.events import Event, LeaseTakenOver, PlanReady
from aaiclick.lease.lock import look
from aaiclick.lease.owner import Owner, this_process
from aaiclick.lease.renew import Lease
from aaiclick.routine import Emit, Query, Routine, run, text
from tests.support.session_connection import SessionConnection

DELEGATING = 2
"""From this argument of RESUME on (and at YIELD_FROM, in 3.10) Python raises nothing: a routine that has handed over to
another is not interrupted in its stead."""


def body(lease: Lease) -> Routine[str]:
    yield Emit(PlanReady("shop", 1, 0))
    return text((yield Query("SELECT 'planned'"))[0][0])


def routine(database: str, shared: bool) -> Routine[str | None]:
    work = under_lease(database, this_process(), body, embedded=True)
    # A driver between this one and the run's: what is raised in it is told to the routine below.
    return keeping(work, Bookkeeping(database, database)) if shared else work


@contextmanager
def interrupted_at(call: int) -> Generator[list[int], None, None]:
    """Ctrl-C when that many functions of the library were entered or gone on with. The list: how many there were."""
    calls = [0]

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and f"{os.sep}aaiclick{os.sep}" in frame.f_code.co_filename and raises_here(frame):
            calls[0] += 1
            if calls[0] == call:
                raise KeyboardInterrupt

    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def raises_here(frame: FrameType) -> bool:
    """Whether a signal could be raised where this frame is entered, or gone on with."""
    if frame.f_lasti < 0:
        return True
    operation, argument = frame.f_code.co_code[frame.f_lasti : frame.f_lasti + 2]
    name = dis.opname[operation]
    return name != "YIELD_FROM" and not (name == "RESUME" and argument >= DELEGATING)


@pytest.mark.parametrize(("shared", "samples"), [(False, 14), (True, 7)])
def test_the_lease_is_given_back_wherever_it_is_raised(
    connection: SessionConnection, aaiclick_database: str, shared: bool, samples: int
) -> None:
    with interrupted_at(0) as calls:
        assert run(routine(aaiclick_database, shared), connection) == "planned"
    total = calls[0]
    assert total > 100
    for sample in range(samples):
        at = 1 + sample * total // samples
        with pytest.raises(KeyboardInterrupt), interrupted_at(at):
            run(routine(aaiclick_database, shared), connection)
        assert run(look(aaiclick_database), connection).holder is None, at


def test_the_next_process_need_not_take_over(connection: SessionConnection, aaiclick_database: str) -> None:
    """Also where it is raised by whoever hears of the plan, as ``--progress json`` does."""
    seen: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, PlanReady):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(routine(aaiclick_database, shared=False), connection, stop)
    other = Owner("bert", "elsewhere", 2)
    run(under_lease(aaiclick_database, other, body, embedded=False), connection, seen.append)
    assert not [event for event in seen if isinstance(event, LeaseTakenOver)]
