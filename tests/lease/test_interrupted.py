"""Ctrl-C at any moment between the first look at the lease and its end: the lease is free afterwards."""

from __future__ import annotations

import asyncio
import dis
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from aaiclick.apply.everywhere import everywhere, shortly
from aaiclick.apply.replicated.shards import at_host
from aaiclick.apply.spread_script import spread_script
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.server_objects.functions import with_stand_ins
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, with_bookkeeping
from aaiclick.clickhouse.topology import SINGLE
from aaiclick.commands.session import under_lease
from aaiclick.errors import StatementError
from aaiclick.events import Event, LeaseTakenOver, PlanReady
from aaiclick.lease.guard import guarded
from aaiclick.lease.lock import current_lock
from aaiclick.lease.owner import Owner, this_process
from aaiclick.lease.renew import Lease
from aaiclick.peers import Peer
from aaiclick.routine import (
    Clock,
    Command,
    Effect,
    Emit,
    Interruption,
    Nonce,
    Query,
    Routine,
    Rows,
    Sleep,
    run,
    run_async,
    text,
)
from aaiclick.specs.functions import Function
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
    return with_bookkeeping(work, Bookkeeping(database, database)) if shared else work


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
        assert run(current_lock(aaiclick_database), connection).holder is None, at


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


NOW = 1_000_000.0
INSERT = "INSERT INTO t VALUES (1)"
LEASE = Lease("d", "0" * 12, Owner("anne", "host-a", 1), 30, 0, NOW)


def use(scratch: Scratch) -> Routine[None]:
    yield Query("SELECT 1")
    yield Command(INSERT)
    yield Sleep(20)
    yield Command("CREATE TABLE d.t (k UInt8) ENGINE = Null")


def in_scratch() -> Routine[None]:
    """As planning does it: a database and a function that have to go."""
    function = Function("f", "(x) -> x")

    def body(scratch: Scratch) -> Routine[None]:
        return (yield from with_stand_ins(scratch, [function], use))

    return (yield from with_scratch(body, settings={}))


def both(work: Routine[None]) -> Routine[None]:
    return with_bookkeeping(guarded(everywhere(shortly(work), Reach(SINGLE)), LEASE), Bookkeeping("d", "d"))


WRAPPERS: dict[str, Callable[[Routine[None]], Routine[None]]] = {
    "everywhere": lambda work: everywhere(work, Reach(SINGLE)),
    "shortly": shortly,
    "at_host": lambda work: at_host(work, Peer("host-b", 8123)),
    "spread_script": lambda work: spread_script(work, (INSERT,), "d", Reach(SINGLE)),
    "with_bookkeeping": lambda work: with_bookkeeping(work, Bookkeeping("d", "d")),
    "guarded": lambda work: guarded(work, LEASE),
    "all": both,
}


def unanswered(effect: Effect) -> bool:
    """For all hosts nobody answers here."""
    return "serverUUID" in (effect.sql if isinstance(effect, Query | Command) else "")


def interrupted(routine: Routine[Any], at: int, error: type[BaseException]) -> tuple[list[str], list[str]]:
    """What was made, and what was dropped, where the effect with that number is interrupted: it may have been carried
    out, and it may not. StopIteration where there are not so many."""
    made: list[str] = []
    dropped: list[str] = []
    effect, count = next(routine), 0
    while True:
        sql = effect.sql if isinstance(effect, Command) else ""
        made += [kind for kind in ("DATABASE", "FUNCTION") if f"CREATE {kind}" in sql]
        dropped += [kind for kind in ("DATABASE", "FUNCTION") if f"DROP {kind}" in sql and count != at]
        if count < at and unanswered(effect):
            raise StopIteration
        answers: dict[type[object], Rows] = {Clock: ((NOW,),), Nonce: (("a" * 12,),)}
        try:
            effect = routine.throw(error()) if count == at else routine.send(answers.get(type(effect), ()))
        except error:
            return made, dropped
        count += 1


@pytest.mark.parametrize("error", [Interruption, KeyboardInterrupt])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_routine_hears_of_it_through_every_wrapper(wrapper: str, error: type[BaseException]) -> None:
    """Python raises a Ctrl-C in the outermost wrapper, where that waits for an answer."""
    at = 0
    with suppress(StopIteration):
        while True:
            made, dropped = interrupted(WRAPPERS[wrapper](in_scratch()), at, error)
            assert set(dropped) >= set(made), at
            at += 1
    assert at >= 7


class Interrupted:
    """A connection on which the first statement is interrupted; its session is held by that one from then on."""

    embedded = False
    identity = "scripted"

    def __init__(self, sent: list[str], second: Interrupted | None) -> None:
        self.sent, self.second = sent, second

    def sibling(self) -> Interrupted | None:
        return self.second

    def query(self, effect: Query, /) -> list[list[object]]:
        if self.second is not None:
            raise KeyboardInterrupt
        self.sent.append(effect.sql)
        if "refused" in effect.sql:
            raise StatementError("refused", 57, "TABLE_ALREADY_EXISTS")
        return []

    def command(self, effect: Command, /) -> None:
        raise AssertionError

    def close(self) -> None:
        self.sent.append("closed")


class InterruptedAsync(Interrupted):
    async def query(self, effect: Query, /) -> list[list[object]]:  # type: ignore[override]
        try:
            return super().query(effect)
        except KeyboardInterrupt:
            raise asyncio.CancelledError from None

    async def close(self) -> None:  # type: ignore[override]
        super().close()


@pytest.mark.parametrize("kind", [Interrupted, InterruptedAsync])
def test_what_is_refused_while_it_lets_go_does_not_end_that(kind: type[Interrupted]) -> None:
    def work() -> Routine[None]:
        try:
            yield Query("SELECT 'long'")
        except Interruption:
            with suppress(StatementError):
                yield Query("SELECT 'refused'")
            yield Query("SELECT 'given back'")
            raise

    sent: list[str] = []
    connection: Any = kind(sent, kind(sent, None))
    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        run(work(), connection) if kind is Interrupted else asyncio.run(run_async(work(), connection))
    assert sent == ["SELECT 'refused'", "SELECT 'given back'", "closed"]
