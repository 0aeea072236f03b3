"""A lease is renewed beside a statement that outlasts it, by the sync and by the async driver; an interrupted run lets
go of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aaiclick.apply.interrupted import end_interrupted
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.tables import require_table
from aaiclick.clickhouse.write_fence import raise_fence
from aaiclick.clients.opening import Opened, open_url
from aaiclick.clients.threaded import ThreadedConnection
from aaiclick.errors import LeaseLostError
from aaiclick.events import INTERRUPTED, Event, Note
from aaiclick.lease.acquire import acquire, release
from aaiclick.lease.guard import guarded
from aaiclick.lease.lock import current_lock
from aaiclick.lease.owner import this_process
from aaiclick.lease.renew import Lease
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Beside, Clock, Command, Interruption, Nonce, Query, Routine, Sleep, run, run_async, text
from aaiclick.state.rebuild_mark import new_mark, write_mark
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.apply.applying import Lab, forms

SECONDS = 0.9
LONG = (
    "SELECT sleepEachRow(0.5) FROM numbers({}) SETTINGS max_block_size = 1, "
    "function_sleep_max_microseconds_per_block = 0, max_threads = 1 FORMAT Null"
)


@pytest.fixture(params=["embedded", "http"])
def opened(request: pytest.FixtureRequest) -> Iterator[tuple[Opened, str]]:
    if request.param == "embedded":
        connection = open_url(request.getfixturevalue("aaiclick_engine").url)
        database = request.getfixturevalue("aaiclick_database")
    else:
        server: EngineServer = request.getfixturevalue("aaiclick_server")
        database = request.getfixturevalue("aaiclick_server_database")
        connection = open_url(f"{server.url}/{database}")
    yield connection, database
    connection.close()


def long_statement(database: str, seconds: int) -> Routine[tuple[Lease, int, bool]]:
    """Hold the lease over a statement that takes that long; the heartbeats then written, and whether one was late."""
    lease = yield from acquire(database, this_process(), lease_seconds=SECONDS)
    assert lease is not None

    def work() -> Routine[tuple[int, bool]]:
        yield Command(LONG.format(2 * seconds), long=True)
        rows = yield Query(
            f"SELECT count(), max(late) FROM `{database}`._aaiclick_lease WHERE nonce = {{nonce:String}}",
            {"nonce": lease.nonce},
        )
        return int(rows[0][0] or 0), bool(rows[0][1])

    beats, late = yield from guarded(work(), lease)
    yield from release(lease)
    return lease, beats, late


def renewed_in_time(attempt: Callable[[int], tuple[Lease, int, bool]]) -> bool:
    """A machine that is much too busy gets more time."""
    return any(beats >= 4 and not late for _, beats, late in map(attempt, (2, 2, 4, 8, 16)))


def test_renewed_beside_a_long_statement(opened: tuple[Opened, str]) -> None:
    connection, database = opened
    assert renewed_in_time(lambda seconds: run(long_statement(database, seconds), connection))


def test_renewed_by_the_async_driver(opened: tuple[Opened, str]) -> None:
    connection, database = opened
    assert renewed_in_time(
        lambda seconds: asyncio.run(run_async(long_statement(database, seconds), ThreadedConnection(connection)))
    )


def test_a_run_that_lost_its_lease_stops_after_the_statement(opened: tuple[Opened, str]) -> None:
    """Another contender buries the lock while a long statement runs: the next statement is not sent."""
    connection, database = opened
    sent: list[str] = []

    def work() -> Routine[None]:
        yield Command(LONG.format(2), long=True)
        thread.join()
        sent.append("next")
        yield Command(f"CREATE TABLE `{database}`.never (a UInt8) ENGINE = Null")

    def steal() -> None:
        time.sleep(0.1)
        other = connection.sibling()
        assert other is not None
        other.command(Command(f"RENAME TABLE `{database}`._aaiclick_lock TO `{database}`._aaiclick_lock_was_stolen"))
        other.close()

    lease = run(acquire(database, this_process(), lease_seconds=SECONDS), connection)
    assert lease is not None
    thread = threading.Thread(target=steal)
    thread.start()
    with pytest.raises(LeaseLostError):
        run(guarded(work(), lease), connection)
    thread.join()
    assert run(_tables(database, "never"), connection) == ()


def _tables(database: str, name: str) -> Routine[tuple[str, ...]]:
    rows = yield Query(f"SELECT name FROM system.tables WHERE database = '{database}' AND name = '{name}'")
    return tuple(text(row[0]) for row in rows)


def test_a_failing_step_does_not_disturb_the_statement(aaiclick_engine: EmbeddedEngine) -> None:
    steps: list[int] = []

    def step() -> Routine[float]:
        steps.append(1)
        yield Query("SELECT throwIf(1)")
        return 0.1

    def work(seconds: float) -> Routine[str]:
        steps.clear()
        rows = yield Query(f"SELECT sleep({seconds})", beside=Beside(0.1, step))
        return text(rows[0][0])

    connection = open_url(aaiclick_engine.url)
    answers = {run(work(seconds), connection) for seconds in (0.6, 3, 3, 3) if len(steps) < 3}
    assert answers == {"0"}
    assert len(steps) > 2
    connection.close()


class _InterruptingConnection:
    """Ctrl-C arrives with one statement."""

    def __init__(self, connection: Opened, at: str) -> None:
        self.connection, self.at, self.embedded, self.identity = connection, at, True, "test"

    def query(self, effect: Query, /) -> object:
        return self.connection.query(effect)

    def command(self, effect: Command, /) -> None:
        if self.at in effect.sql:
            raise KeyboardInterrupt
        self.connection.command(effect)

    def close(self) -> None: ...


@pytest.fixture
def lab(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> Iterator[Lab]:
    made = Lab(aaiclick_engine.url, aaiclick_database)
    made.sql("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (1)")
    yield made
    made.close()


def fenced_work(lab: Lab) -> Routine[None]:
    """As far as a fence, and then a statement that never comes back."""
    lease = yield from acquire(lab.database, this_process())
    assert lease is not None
    source = yield from require_table(lab.database, "t")
    nonce = text((yield Nonce())[0][0])
    work = RebuildWork("t", forms(lab, "t")["t"], ())
    try:
        yield from write_mark(lab.database, new_mark(work, source, nonce, ApplyOptions().keep_old_seconds))
        yield from raise_fence(source, 1.0)
        yield Command("SELECT 'the long copy'")
    except Interruption:
        yield from end_interrupted(lease)
        raise


def test_an_interrupted_run_lifts_its_fence_and_gives_the_lease_back(lab: Lab) -> None:
    events: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        run(fenced_work(lab), _InterruptingConnection(lab.connection, "the long copy"), events.append)  # type: ignore[arg-type]
    assert "table_readonly" not in lab.definition("t")
    assert run(current_lock(lab.database), lab.connection).holder is None
    assert [event.text for event in events if isinstance(event, Note)] == [INTERRUPTED]


def test_a_cancelled_task_does_the_same(lab: Lab) -> None:
    class Hanging(ThreadedConnection):
        async def command(self, effect: Command) -> None:
            if "the long copy" in effect.sql:
                reached.set()
                await asyncio.sleep(60)
            await super().command(effect)

    async def main() -> None:
        task = asyncio.create_task(run_async(fenced_work(lab), Hanging(lab.connection), events.append))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    events: list[Event] = []
    reached = asyncio.Event()
    asyncio.run(main())
    assert "table_readonly" not in lab.definition("t")
    assert run(current_lock(lab.database), lab.connection).holder is None
    assert [event.text for event in events if isinstance(event, Note)] == [INTERRUPTED]


def test_winding_down_has_its_limit(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    monkeypatch.setattr("aaiclick.routine.WIND_DOWN", 0.2)
    seen: list[float] = []

    def endless() -> Routine[None]:
        try:
            yield Command("SELECT 'the long copy'")
        except Interruption:
            while True:
                seen.append(float((yield Clock())[0][0] or 0))
                yield Sleep(0.02)

    with pytest.raises(KeyboardInterrupt):
        run(endless(), _InterruptingConnection(lab.connection, "the long copy"))  # type: ignore[arg-type]
    assert 1 < len(seen) < 50
