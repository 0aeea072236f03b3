"""Work under the lease: tags, renewals and checks where they are due, and where a lost lease stops it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.errors import ConnectionFailed, LeaseLostError, StatementError
from aaiclick.events import Note
from aaiclick.lease.acquire import Lease, Owner, acquire, guarded
from aaiclick.lease.names import BEATS, LOCK
from aaiclick.routine import Clock, Command, Effect, Emit, Nonce, Query, Routine, Sleep
from aaiclick.sql.quoting import qualified
from tests.support.session_connection import Driver, SessionConnection

OWNER = Owner("anne", "host-a", 1)
START = 1_000_000.0


@pytest.fixture
def driver(connection: SessionConnection) -> Driver:
    return Driver(connection, clock=START)


@pytest.fixture
def lease(driver: Driver, aaiclick_database: str) -> Lease:
    taken = driver.run(acquire(aaiclick_database, OWNER))
    assert taken is not None
    driver.effects.clear()
    return taken


def beats(driver: Driver, lease: Lease) -> int:
    ((count,),) = driver.connection.rows(
        f"SELECT count() FROM {qualified(lease.database, BEATS)} WHERE nonce = '{lease.nonce}'"
    )
    return int(count or 0)


def test_every_statement_is_tagged_and_answers_and_results_pass_through(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[tuple[object, ...]]:
        ((one,),) = yield Query("SELECT {x:UInt8}", {"x": 1})
        yield Command("SELECT 2", settings={"max_threads": 1}, long=True)
        ((seen,),) = yield Query("SELECT query FROM system.processes WHERE query LIKE '%not in any other%'")
        nonce = yield Nonce()
        signed = yield Nonce(signed=True)
        assert str(signed[0][0]).endswith(lease.nonce)
        assert len(str(signed[0][0])) > len(lease.nonce)
        yield Emit(Note("hello"))
        ((now,),) = yield Clock()
        return one, seen, len(nonce), now

    one, seen, nonces, now = driver.run(guarded(work(), lease))
    assert (one, nonces, now) == (1, 1, START)
    assert str(seen).startswith(f"/* aaiclick:{lease.nonce} */ SELECT query")
    assert all(sql.startswith(f"/* aaiclick:{lease.nonce} */ ") for sql in driver.statements)
    assert len(driver.statements) == 3  # fresh from acquire: neither a check nor a renewal was due
    (command,) = (effect for effect in driver.effects if isinstance(effect, Command))
    assert command.beside is not None
    assert command.beside.first == lease.seconds / 3
    assert replace(command, beside=None) == Command(
        f"/* aaiclick:{lease.nonce} */ SELECT 2", settings={"max_threads": 1}, long=True
    )
    assert driver.events[-1] == Note("hello")


def test_a_renewal_comes_when_a_third_of_the_time_has_passed(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[None]:
        for _ in range(20):
            yield Sleep(3)
            yield Query("SELECT 1")

    driver.run(guarded(work(), lease))
    # 60 s in sleeps of 3: due after 12, 24, 36, 48 and 60 s; one comes from acquire.
    assert beats(driver, lease) == 6
    assert not any("late" in sql and "max(late), 1" in sql for sql in driver.statements)


def test_a_check_comes_before_a_command_once_the_last_proof_is_old(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[None]:
        yield Command("SELECT 1")
        yield Sleep(2)
        yield Query("SELECT 2")
        yield Command("SELECT 3")
        yield Command("SELECT 4")

    driver.run(guarded(work(), lease))
    kinds = ["check" if "system.tables" in sql else sql[-1] for sql in driver.statements]
    assert kinds == ["1", "2", "check", "3", "4"]


def test_long_sleeps_are_cut(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[str]:
        rows = yield Sleep(25)
        assert rows == ()
        return "slept"

    assert driver.run(guarded(work(), lease)) == "slept"
    assert [effect.seconds for effect in driver.effects if isinstance(effect, Sleep)] == [10, 10, 5]
    assert driver.clock == START + 25
    assert beats(driver, lease) == 3


def test_a_clock_that_was_set_back_is_no_proof(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[None]:
        driver.clock = START - 3600
        yield Query("SELECT 1")

    driver.run(guarded(work(), lease))
    assert beats(driver, lease) == 2


@pytest.mark.parametrize("passed", [2.0, 11.0])
def test_a_lost_lease_stops_the_run_before_its_next_command(driver: Driver, lease: Lease, passed: float) -> None:
    ended: list[str] = []

    def work() -> Routine[None]:
        try:
            yield Command(f"CREATE TABLE {qualified(lease.database, 'first')} (x UInt8) ENGINE = Null")
            driver.connection.command(Command(f"DROP TABLE {qualified(lease.database, LOCK)}"))
            yield Sleep(passed)
            yield Command(f"CREATE TABLE {qualified(lease.database, 'second')} (x UInt8) ENGINE = Null")
        except Exception as error:  # must not be reached: a routine without the lease has nothing to clean up
            ended.append(repr(error))
        finally:
            ended.append("closed")

    with pytest.raises(LeaseLostError, match="its lock is gone"):
        driver.run(guarded(work(), lease))
    assert ended == ["closed"]
    assert driver.connection.tables(lease.database) == {BEATS, "first"}


def test_errors_of_statements_reach_the_routine(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[str]:
        try:
            yield Query("SELECT throwIf(1)")
        except StatementError as error:
            yield Query("SELECT 'cleaning up'")
            return error.name
        return ""

    assert driver.run(guarded(work(), lease)) == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"
    assert driver.statements[-1].endswith("SELECT 'cleaning up'")


def test_an_error_of_the_routine_ends_the_run(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[None]:
        yield Query("SELECT throwIf(1)")

    with pytest.raises(StatementError):
        driver.run(guarded(work(), lease))


def test_a_routine_without_effects(driver: Driver, lease: Lease) -> None:
    def work() -> Routine[int]:
        yield from ()
        return 7

    assert driver.run(guarded(work(), lease)) == 7


class Failing:
    """Lets statements fail that contain a text."""

    def __init__(self, text: str, error: Exception) -> None:
        self.text, self.error, self.times = text, error, 0

    def __call__(self, effect: Effect) -> None:
        if isinstance(effect, Query | Command) and self.text in effect.sql:
            self.times += 1
            raise self.error


def test_a_renewal_that_fails_is_tried_again_while_the_lease_holds(driver: Driver, lease: Lease) -> None:
    failing = Failing(
        f"INSERT INTO {qualified(lease.database, BEATS)}", StatementError("Too many parts", 252, "TOO_MANY_PARTS")
    )
    driver.before = failing

    def work() -> Routine[None]:
        yield Sleep(10)
        yield Command("SELECT 1")
        yield Sleep(10)
        yield Command("SELECT 2")
        driver.before = None
        yield Query("SELECT 3")

    driver.run(guarded(work(), lease))
    assert failing.times == 3  # before SELECT 1, the second sleep and SELECT 2
    assert beats(driver, lease) == 2
    checks = sum("system.tables" in sql for sql in driver.statements)
    assert checks == 3  # in place of the failed proof before each command, and in the renewal that came through


def test_renewals_that_fail_until_the_lease_has_run_out_end_the_run(driver: Driver, lease: Lease) -> None:
    driver.before = Failing(
        f"INSERT INTO {qualified(lease.database, BEATS)}", StatementError("Too many parts", 252, "TOO_MANY_PARTS")
    )
    reached: list[int] = []

    def work() -> Routine[None]:
        for second in range(0, 60, 5):
            yield Sleep(5)
            reached.append(second + 5)
            yield Query("SELECT 1")

    with pytest.raises(LeaseLostError, match="could not be renewed in time: Too many parts"):
        driver.run(guarded(work(), lease))
    assert reached[-1] == 30


def test_a_connection_that_breaks_in_a_check_is_told_to_the_routine(driver: Driver, lease: Lease) -> None:
    caught: list[Exception] = []

    def work() -> Routine[None]:
        yield Sleep(2)
        driver.before = Failing("system.tables", ConnectionFailed("gone"))
        try:
            yield Command(f"CREATE TABLE {qualified(lease.database, 'second')} (x UInt8) ENGINE = Null")
        except ConnectionFailed as error:
            driver.before = None
            caught.append(error)
            yield Query("SELECT 'lifting the fence'")

    driver.run(guarded(work(), lease))
    assert len(caught) == 1
    assert driver.connection.tables(lease.database) == {BEATS, LOCK}


@pytest.mark.parametrize("lost", [True, False])
def test_a_statement_that_a_successor_killed_means_that_the_lease_is_lost(
    driver: Driver, lease: Lease, lost: bool
) -> None:
    caught: list[int] = []

    def work() -> Routine[None]:
        if lost:
            driver.connection.command(Command(f"DROP TABLE {qualified(lease.database, LOCK)}"))
        driver.before = Failing("SELECT 'long'", StatementError("Query was cancelled.", 394, "QUERY_WAS_CANCELLED"))
        try:
            yield Query("SELECT 'long'")
        except StatementError as error:  # somebody else's KILL is an error like any other
            caught.append(error.code)

    if lost:
        with pytest.raises(LeaseLostError, match="was ended by the one that took over"):
            driver.run(guarded(work(), lease))
    else:
        driver.run(guarded(work(), lease))
    assert caught == ([] if lost else [394])


def test_being_stopped_closes_the_routine(driver: Driver, lease: Lease) -> None:
    closed: list[bool] = []

    def work() -> Routine[None]:
        try:
            yield Query("SELECT 1")
        finally:
            closed.append(True)

    running = guarded(work(), replace(lease, seconds=60))
    next(running)
    running.close()
    assert closed == [True]
