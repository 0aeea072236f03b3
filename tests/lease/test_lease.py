"""The lease on the real engine: who gets it, who waits, who is taken over."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from aaiclick.errors import (
    LeaseLostError,
    LockHeldError,
    OutcomeUnknownError,
    StatementError,
    UnsupportedObjectError,
)
from aaiclick.events import Note, Waiting
from aaiclick.lease.acquire import Lease, Owner, acquire, check, release, renew, renew_loop_step, tagged, this_process
from aaiclick.lease.names import BEATS, LOCK, TOMBSTONE_PREFIX, tombstone
from aaiclick.lease.tombstones import end_lock
from aaiclick.routine import Command, Effect, Emit, Query, Routine, Sleep
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.testing.engine import EmbeddedEngine
from tests.support.session_connection import Driver, SessionConnection, session

ANNE = Owner("anne", "host-a", 1)
BERT = Owner("bert", "host-b", 2)


@pytest.fixture
def db(aaiclick_database: str) -> str:
    return aaiclick_database


def take(driver: Driver, database: str, owner: Owner = ANNE, seconds: float = 30.0, **more: object) -> Lease:
    lease = driver.run(acquire(database, owner, lease_seconds=seconds, **more))  # type: ignore[arg-type]
    assert lease is not None
    return lease


def tombstones(connection: SessionConnection, database: str) -> set[str]:
    return {name for name in connection.tables(database) if name.startswith(TOMBSTONE_PREFIX)}


def is_rename(effect: Effect) -> bool:
    return isinstance(effect, Command) and "RENAME TABLE" in effect.sql


def answering(*answers: bool) -> tuple[list[bool], Callable[[], Routine[bool]]]:
    left = list(answers)

    def still_needed() -> Routine[bool]:
        yield Query("SELECT 1")
        return left.pop(0)

    return left, still_needed


def test_heartbeats_in_a_table_of_somebody_else_are_refused_with_what_to_do(
    connection: SessionConnection, db: str
) -> None:
    connection.command(Command(f"CREATE VIEW {qualified(db, BEATS)} AS SELECT 1 AS z"))
    with pytest.raises(UnsupportedObjectError, match=rf"{db}\.{BEATS}: this table was not made by aaiclick and is in"):
        take(Driver(connection), db)


def test_a_lease_that_was_given_back_leaves_only_the_table_of_heartbeats(
    connection: SessionConnection, db: str
) -> None:
    driver = Driver(connection)
    lease = take(driver, db)
    assert connection.tables(db) == {LOCK, BEATS}
    driver.run(check(lease))
    driver.run(release(lease))
    assert connection.tables(db) == {BEATS}
    assert not [event for event in driver.events if isinstance(event, Note)]


def test_the_second_waits_says_for_whom_and_goes_on_after_the_first(connection: SessionConnection, db: str) -> None:
    first, second = Driver(connection), Driver(connection)
    lease = take(first, db)
    waiting = acquire(db, BERT)
    pause = second.until(waiting, lambda effect: isinstance(effect, Sleep))
    told = [event for event in second.events if isinstance(event, Waiting)]
    assert [(event.what, event.ends) for event in told] == [
        (f"anne@host-a pid 1 migrates database {db}", "its lease ends in 30 s unless it is renewed")
    ]
    first.run(release(lease))
    successor = second.resume(waiting, pause)
    assert successor is not None
    assert successor.nonce != lease.nonce
    second.run(release(successor))
    assert connection.tables(db) == {BEATS}


def test_who_stood_still_between_two_looks_takes_no_living_holder_for_dead(
    connection: SessionConnection, db: str
) -> None:
    first = Driver(connection)
    lease = take(first, db, seconds=1.0)
    seen: list[str] = []

    def in_between(effect: Effect) -> None:
        if isinstance(effect, Query) and BEATS in effect.sql and not seen:
            # The clock was read. Before it reads the heartbeats it stands still, and the holder renews in time, twice.
            for _ in range(2):
                time.sleep(0.6)
                first.run(renew(lease))
            seen.append("stood still")
        if isinstance(effect, Sleep) and seen[-1] != "released":
            seen.append("waits")
            if seen.count("waits") == 2:
                first.run(check(lease))
                first.run(release(lease))
                seen.append("released")

    second = Driver(connection, before=in_between)
    successor = take(second, db, BERT, seconds=1.0)
    assert seen == ["stood still", "waits", "waits", "released"]
    second.run(release(successor))


def test_a_loser_whose_work_was_done_by_the_winner_takes_no_lease(connection: SessionConnection, db: str) -> None:
    first, second = Driver(connection), Driver(connection)
    lease = take(first, db)
    left, still_needed = answering(False)
    waiting = acquire(db, BERT, still_needed=still_needed)
    pause = second.until(waiting, lambda effect: isinstance(effect, Sleep))
    assert left == [False]
    first.run(release(lease))
    assert second.resume(waiting, pause) is None
    assert not left
    assert not any("CREATE TABLE" in sql for sql in second.statements)
    assert connection.tables(db) == {BEATS}


def test_still_needed_is_asked_again_under_the_lease(connection: SessionConnection, db: str) -> None:
    driver = Driver(connection)
    left, still_needed = answering(False)
    assert driver.run(acquire(db, ANNE, still_needed=still_needed)) is None
    assert not left
    assert connection.tables(db) == {BEATS}


def test_an_error_of_still_needed_gives_the_lease_back(connection: SessionConnection, db: str) -> None:
    def still_needed() -> Routine[bool]:
        yield Query("SELECT throwIf(1)")
        return True

    with pytest.raises(StatementError) as caught:
        Driver(connection).run(acquire(db, ANNE, still_needed=still_needed))
    assert caught.value.code == 395
    assert connection.tables(db) == {BEATS}


def test_a_holder_that_does_not_end_in_time_is_named(connection: SessionConnection, db: str) -> None:
    driver = Driver(connection, clock=1000.0)
    take(driver, db)
    with pytest.raises(LockHeldError, match=rf"anne@host-a pid 1 migrates database {db} and did not end in 20 s"):
        driver.run(acquire(db, BERT, max_wait=20))
    told = [event.seconds for event in driver.events if isinstance(event, Waiting)]
    assert told[0] == 0
    assert len(told) in (4, 5)  # every five seconds


def test_a_dead_holder_is_taken_over_after_its_own_lease_time_and_learns_of_it(
    connection: SessionConnection, db: str
) -> None:
    first, second = Driver(connection), Driver(connection)
    lost = take(first, db, seconds=0.2)
    won = take(second, db, BERT, seconds=30)
    assert any("anne@host-a pid 1 left a migration" in event.text for event in second.events if isinstance(event, Note))
    for routine in (check(lost), renew(lost), renew_loop_step(lost)):
        with pytest.raises(LeaseLostError, match="bert@host-b pid 2 took over"):
            first.run(routine)
    first.run(release(lost))  # too late: must not touch the successor's lock
    assert any("had been taken over" in event.text for event in first.events if isinstance(event, Note))
    second.run(check(won))
    assert tombstones(connection, db) == {tombstone(lost.nonce)}


def test_a_heartbeat_that_grants_more_time_holds_off_a_takeover(connection: SessionConnection, db: str) -> None:
    driver = Driver(connection)
    lease = take(driver, db, seconds=0.1)
    driver.run(renew(lease, seconds=600))
    time.sleep(0.15)
    with pytest.raises(LockHeldError):
        driver.run(acquire(db, BERT, lease_seconds=0.1, max_wait=0.2))
    driver.run(check(lease))
    # The next one at the usual length takes the grant back.
    driver.run(renew(lease))
    assert take(driver, db, BERT).nonce != lease.nonce


def test_the_step_beside_a_long_statement_renews_and_says_when_to_come_again(
    connection: SessionConnection, db: str
) -> None:
    driver = Driver(connection)
    lease = take(driver, db, seconds=30)
    assert driver.run(renew_loop_step(lease)) == 10
    assert connection.rows(f"SELECT count() FROM {qualified(db, BEATS)} WHERE nonce = '{lease.nonce}'") == ((2,),)


def test_a_late_contender_cannot_carry_off_the_successors_lock(connection: SessionConnection, db: str) -> None:
    late, quick = Driver(connection), Driver(connection)
    take(quick, db, seconds=0.1)
    paused = acquire(db, BERT)
    rename = late.until(paused, is_rename)  # has seen it expired, and sleeps
    won = take(quick, db)
    # It wakes: the tombstone is in its way, and it waits like everybody else.
    effect = late.step(paused, rename)
    while not isinstance(effect, Sleep):
        effect = late.step(paused, effect)
    paused.close()
    quick.run(check(won))


@pytest.mark.parametrize("state", ["held", "free"])
def test_a_contender_later_than_the_tombstones_puts_the_lock_back(
    connection: SessionConnection, db: str, state: str
) -> None:
    driver = Driver(connection)
    dead = take(driver, db, seconds=0.1)
    paused = end_lock(db, dead.nonce, "f00")
    rename = next(paused)
    won = take(driver, db)
    connection.command(Command(f"DROP TABLE {qualified(db, tombstone(dead.nonce))}"))
    if state == "free":
        driver.run(release(won))
    assert driver.resume(paused, rename) is None
    if state == "held":
        driver.run(check(won))
    assert connection.tables(db) == ({LOCK, BEATS} if state == "held" else {BEATS})


def test_heartbeats_in_time_leave_no_tombstone_late_ones_do_for_ten_lease_times(
    connection: SessionConnection, db: str
) -> None:
    driver = Driver(connection)
    lease = take(driver, db, seconds=0.1)
    time.sleep(0.15)
    lease = driver.run(renew(lease))  # nobody took over, but somebody may have seen it expired
    driver.run(release(lease))
    assert tombstones(connection, db) == {tombstone(lease.nonce)}
    time.sleep(1.1)
    driver.run(release(take(driver, db, seconds=0.1)))
    assert connection.tables(db) <= {BEATS, *tombstones(connection, db)}
    assert tombstone(lease.nonce) not in connection.tables(db)


def test_a_lock_that_somebody_made_by_hand_is_waited_for_once(connection: SessionConnection, db: str) -> None:
    driver = Driver(connection)
    connection.command(Command(f"CREATE TABLE {qualified(db, LOCK)} (x UInt8) ENGINE = Null COMMENT 'do not touch'"))
    paused = acquire(db, ANNE, lease_seconds=0.2)
    pause = driver.until(paused, lambda effect: isinstance(effect, Sleep))
    lease = driver.resume(paused, pause)
    assert lease is not None
    driver.run(check(lease))
    # A second one is another incarnation, though its comment is the same and the first one's tombstone is still there.
    driver.run(release(lease))
    connection.command(Command(f"CREATE TABLE {qualified(db, LOCK)} (x UInt8) ENGINE = Null COMMENT 'do not touch'"))
    driver.run(check(take(driver, db, seconds=0.2, max_wait=20)))


@pytest.mark.parametrize("owner", [Owner("anne", "host-a", 99), Owner("anne", "elsewhere", 1)])
def test_on_an_embedded_engine_a_holder_in_another_process_is_dead_for_certain(
    connection: SessionConnection, db: str, owner: Owner
) -> None:
    driver = Driver(connection)
    take(driver, db, seconds=3600)
    lease = take(driver, db, owner, embedded=True, max_wait=0.0)
    driver.run(check(lease))


def test_on_an_embedded_engine_a_holder_in_this_process_may_be_alive(connection: SessionConnection, db: str) -> None:
    driver = Driver(connection)
    lease = take(driver, db, seconds=3600)
    with pytest.raises(LockHeldError):
        driver.run(acquire(db, ANNE, embedded=True, max_wait=0.05))
    driver.run(check(lease))


def test_a_create_that_the_client_sent_twice_is_a_win(connection: SessionConnection, db: str) -> None:
    def twice(effect: Effect) -> None:
        if isinstance(effect, Command) and f"CREATE TABLE {qualified(db, LOCK)}" in effect.sql:
            connection.command(effect)

    driver = Driver(connection, before=twice)
    driver.run(check(take(driver, db)))


def losing(connection: SessionConnection, words: str, arrived: bool) -> Callable[[Effect], None]:
    """The answer to this statement is lost: it was carried out, or it never reached the server."""

    def lose(effect: Effect) -> None:
        if isinstance(effect, Command) and words in effect.sql:
            if arrived:
                connection.command(effect)
            raise OutcomeUnknownError("the connection was lost while a statement ran", 0, "", effect.sql)

    return lose


def test_a_lock_whose_answer_was_lost_is_won(connection: SessionConnection, db: str) -> None:
    made = f"CREATE TABLE {qualified(db, LOCK)}"
    with pytest.raises(OutcomeUnknownError):
        take(Driver(connection, before=losing(connection, made, arrived=False)), db)
    driver = Driver(connection, before=losing(connection, made, arrived=True))
    driver.run(check(take(driver, db)))


@pytest.mark.parametrize("arrived", [True, False])
def test_the_lost_answer_of_the_last_statement_is_no_error_of_what_was_done(
    connection: SessionConnection, db: str, arrived: bool
) -> None:
    driver = Driver(connection)
    lease = take(driver, db)
    driver.before = losing(connection, "RENAME TABLE", arrived)
    assert driver.run(release(lease))
    said = [event.text for event in driver.events if isinstance(event, Note)]
    if arrived:
        assert (connection.tables(db), said) == ({BEATS}, [])
    else:
        # Whoever wants it waits until it has run out.
        assert LOCK in connection.tables(db)
        assert ["could not be given back" in text for text in said] == [True]


def test_a_user_who_may_not_write_heartbeats_leaves_no_lock(connection: SessionConnection, db: str) -> None:
    def refused(effect: Effect) -> None:
        if isinstance(effect, Command) and "INSERT INTO" in effect.sql:
            raise StatementError("Not enough privileges", 497, "ACCESS_DENIED", effect.sql)

    with pytest.raises(StatementError) as caught:
        Driver(connection, before=refused).run(acquire(db, ANNE))
    assert caught.value.code == 497
    assert LOCK not in connection.tables(db)


@pytest.mark.parametrize(
    "name",
    ["back`tick", 'quo\'te "double"', "back\\slash", "dots.and spaces", "größe\u2603", "tab\tnew\nline", "n" * 150],
)
def test_hostile_database_names(connection: SessionConnection, name: str) -> None:
    name = f"{name}_{os.getpid()}"
    connection.command(Command(f"CREATE DATABASE {quote_name(name)}"))
    try:
        driver = Driver(connection)
        lost = take(driver, name, seconds=0.1)
        lease = take(driver, name)
        with pytest.raises(LeaseLostError):
            driver.run(check(lost))
        driver.run(release(lease))
        assert LOCK not in connection.tables(name)
    finally:
        connection.command(Command(f"DROP DATABASE {quote_name(name)}"))


def test_the_default_database_of_the_embedded_engine(connection: SessionConnection) -> None:
    driver = Driver(connection)
    before = connection.tables("default")
    try:
        lost = take(driver, "default", seconds=0.1)
        lease = take(driver, "default")
        driver.run(release(lost))
        driver.run(check(lease))
        driver.run(release(lease))
        assert connection.tables("default") == before | {BEATS, tombstone(lost.nonce)}
    finally:
        for name in connection.tables("default") - before:
            connection.command(Command(f"DROP TABLE {qualified('default', name)} SYNC"))


class Statement(threading.Thread):
    """A statement on its own session, as a client leaves it behind; ``outcome`` is its error code, 0 for none."""

    def __init__(self, path: str, sql: str) -> None:
        super().__init__(daemon=True)
        self.path, self.sql, self.outcome = path, sql, -1
        self.start()

    def run(self) -> None:
        with session(self.path) as connection:
            try:
                connection.command(Command(self.sql))
            except StatementError as error:
                self.outcome = error.code
            else:
                self.outcome = 0

    def seen_by(self, connection: SessionConnection) -> None:
        prefix = self.sql[:28].replace("'", "")
        while not connection.rows(f"SELECT 1 FROM system.processes WHERE startsWith(query, '{prefix}')"):
            assert self.is_alive()
            time.sleep(0.01)


def test_statements_of_a_dead_holder_are_ended_first_and_no_others(
    connection: SessionConnection, aaiclick_engine: EmbeddedEngine, db: str
) -> None:
    driver = Driver(connection)
    lost = take(driver, db, seconds=0.2)
    for table in ("theirs", "foreign"):
        connection.command(Command(f"CREATE TABLE {qualified(db, table)} (n UInt64) ENGINE = Null"))
    endless = Statement(
        aaiclick_engine.path,
        tagged(lost.nonce, f"INSERT INTO {qualified(db, 'theirs')} SELECT number FROM system.numbers"),
    )
    # A migration of another database: its nonce has no heartbeat here.
    foreign = Statement(
        aaiclick_engine.path,
        tagged("0123456789ab", f"INSERT INTO {qualified(db, 'foreign')} SELECT number FROM system.numbers"),
    )
    endless.seen_by(connection)
    foreign.seen_by(connection)
    lease = take(driver, db)
    endless.join(60)
    assert endless.outcome == 394  # QUERY_WAS_CANCELLED
    assert foreign.is_alive()
    assert [event.what for event in driver.events if isinstance(event, Waiting)][
        -1
    ] == "1 statement of a migration that ended without notice"
    driver.run(check(lease))
    connection.command(Command("KILL QUERY WHERE startsWith(query, '/* aaiclick:0123456789ab')"))
    foreign.join(60)
    assert foreign.outcome == 394


def test_statements_that_cannot_be_killed_are_waited_out(
    connection: SessionConnection, aaiclick_engine: EmbeddedEngine, db: str
) -> None:
    def refused(effect: Effect) -> None:
        if isinstance(effect, Command) and "KILL QUERY" in effect.sql:
            raise StatementError("Not enough privileges", 497, "ACCESS_DENIED", effect.sql)

    driver = Driver(connection, before=refused)
    lost = take(driver, db, seconds=0.1)
    running = Statement(aaiclick_engine.path, tagged(lost.nonce, "SELECT sleepEachRow(0.5) FROM numbers(3)"))
    running.seen_by(connection)
    take(driver, db, seconds=0.6)  # renews while it waits
    assert not connection.rows(f"SELECT 1 FROM system.processes WHERE startsWith(query, '/* aaiclick:{lost.nonce}')")
    running.join(60)
    assert running.outcome == 0
    assert any(
        "cannot be killed and are waited for" in event.text for event in driver.events if isinstance(event, Note)
    )


def test_statements_that_do_not_end_in_time_are_an_error_and_the_lock_is_given_back(
    connection: SessionConnection, aaiclick_engine: EmbeddedEngine, db: str
) -> None:
    def refused(effect: Effect) -> None:
        if isinstance(effect, Command) and "KILL QUERY" in effect.sql:
            raise StatementError("Not enough privileges", 497, "ACCESS_DENIED", effect.sql)

    driver = Driver(connection, before=refused)
    lost = take(driver, db, seconds=0.1)
    running = Statement(
        aaiclick_engine.path, tagged(lost.nonce, "SELECT sleepEachRow(3) FROM numbers(20) SETTINGS max_block_size = 1")
    )
    running.seen_by(connection)
    with pytest.raises(LockHeldError, match="1 statement of a migration that ended without notice still running"):
        driver.run(acquire(db, BERT, max_wait=0.5))
    assert LOCK not in connection.tables(db)
    connection.command(Command(f"KILL QUERY WHERE startsWith(query, '/* aaiclick:{lost.nonce}') ASYNC"))
    running.join(60)


def test_an_engine_without_a_list_of_statements_runs_none_beside_ours(connection: SessionConnection, db: str) -> None:
    def missing(effect: Effect) -> None:
        if isinstance(effect, Query) and "system.processes" in effect.sql:
            raise StatementError("Table system.processes does not exist.", 60, "UNKNOWN_TABLE", effect.sql)

    driver = Driver(connection, before=missing)
    driver.run(release(take(driver, db)))
    assert connection.tables(db) == {BEATS}


def test_this_process_is_named() -> None:
    owner = this_process()
    assert owner.pid == os.getpid()
    assert str(owner) == f"{owner.user}@{owner.host} pid {owner.pid}"
    assert owner.user
    assert isinstance(Emit(Note(str(owner))).event, Note)
