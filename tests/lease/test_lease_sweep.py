"""Contenders that die after any effect, threads that fight for one lease, and a process that is really killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aaiclick.errors import LeaseLostError
from aaiclick.lease.acquire import Lease, Owner, acquire, check, guarded, release
from aaiclick.lease.names import BEATS, LOCK
from aaiclick.routine import Command, Routine, Sleep, run
from aaiclick.sql.quoting import qualified
from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.support.session_connection import Driver, KilledError, SessionConnection, session

OWNER = Owner("anne", "host-a", 1)
SHORT = 0.05


def take(connection: SessionConnection, database: str) -> Lease:
    lease = Driver(connection).run(acquire(database, OWNER, lease_seconds=SHORT))
    assert lease is not None
    return lease


def give_back(connection: SessionConnection, lease: Lease) -> None:
    Driver(connection).run(release(lease))


def nothing(connection: SessionConnection, database: str) -> Routine[object]:
    return acquire(database, OWNER, lease_seconds=SHORT)


def after_a_dead_holder(connection: SessionConnection, database: str) -> Routine[object]:
    take(connection, database)
    return acquire(database, OWNER, lease_seconds=SHORT)


def in_time(connection: SessionConnection, database: str) -> Routine[object]:
    lease = Driver(connection).run(acquire(database, OWNER, lease_seconds=30))
    assert lease is not None
    # From here on it may die: what it leaves is its lock with 30 s to go, which the sweep then shortens.
    return release(lease)


def late(connection: SessionConnection, database: str) -> Routine[object]:
    lease = take(connection, database)
    time.sleep(2 * SHORT)
    return release(lease)


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "effects"), [(nothing, 10), (after_a_dead_holder, 14), (in_time, 4), (late, 6)])
def test_killed_after_each_effect(
    connection: SessionConnection,
    aaiclick_database: str,
    begin: Callable[[SessionConnection, str], Routine[object]],
    effects: int,
) -> None:
    points = 0
    while True:
        points += 1
        routine = begin(connection, aaiclick_database)
        try:
            finished = Driver(connection, stop_after=points).run(routine)
        except KilledError:
            finished = None
            killed = True
        else:
            killed = False
        if killed and begin is in_time:
            connection.command(Command(f"TRUNCATE TABLE {qualified(aaiclick_database, BEATS)}"))
            if LOCK in connection.tables(aaiclick_database):
                connection.command(
                    Command(f"ALTER TABLE {qualified(aaiclick_database, LOCK)} MODIFY COMMENT 'its time is over'")
                )
        if not killed and isinstance(finished, Lease):
            give_back(connection, finished)
        # Whatever was left behind, the next contender gets the lease ...
        lease = take(connection, aaiclick_database)
        Driver(connection).run(check(lease))
        give_back(connection, lease)
        assert LOCK not in connection.tables(aaiclick_database)
        if not killed:
            break
    assert points > effects
    # ... and once nobody can believe in the dead any more, nothing is left of them: the first run marks, a later one
    # drops. (On a busy machine a run may be late itself and leave its own tombstone; those of 30 s are kept for
    # longer.)
    short = (
        f"SELECT name FROM system.tables WHERE database = '{aaiclick_database}' AND JSONExtractFloat(comment, "
        "'seconds') != 30"
    )
    dead = set(connection.rows(short)) - {(BEATS,)}
    for _ in range(2):
        give_back(connection, take(connection, aaiclick_database))
        time.sleep(12 * SHORT)
    give_back(connection, take(connection, aaiclick_database))
    assert not dead & set(connection.rows(short))
    assert dead or begin is in_time


def test_holders_that_die_in_a_loop_leave_a_bounded_number_of_tombstones(
    connection: SessionConnection, aaiclick_database: str
) -> None:
    most = 0
    for _ in range(40):
        take(connection, aaiclick_database)  # and dies
        most = max(most, len(connection.tables(aaiclick_database)))
    # Each is taken over after SHORT at the earliest, and its tombstone is kept for ten times as long after it was
    # marked.
    assert most < 20


class Log:
    """Who was inside, exactly: every entry and every leaving in one order, as this process saw them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: dict[str, str] = {}
        self.overlaps: list[str] = []
        self.acquired = 0
        self.lost = 0

    def enter(self, nonce: str) -> None:
        with self.lock:
            self.overlaps += [f"{nonce} beside {other}" for other in self.inside]
            self.inside[nonce] = nonce
            self.acquired += 1

    def leave(self, nonce: str, *, lost: bool = False) -> None:
        with self.lock:
            self.inside.pop(nonce, None)
            self.lost += lost


def work(table: str, lease: Lease) -> Routine[None]:
    for word in ("enter", "leave"):
        yield Command(f"INSERT INTO {table} SELECT '{lease.nonce}', '{word}', now64(6)", settings={"async_insert": 0})
        yield Sleep(0.001)


@pytest.mark.parametrize("rounds", [pytest.param(3, marks=pytest.mark.slow), pytest.param(25, marks=pytest.mark.proof)])
def test_eight_threads_with_holders_that_vanish_never_overlap(
    connection: SessionConnection, aaiclick_engine: EmbeddedEngine, aaiclick_database: str, rounds: int
) -> None:
    table = qualified(aaiclick_database, "log")
    connection.command(
        Command(f"CREATE TABLE {table} (nonce String, word String, at DateTime64(6)) ENGINE = MergeTree ORDER BY at")
    )
    log, failures = Log(), list[BaseException]()

    def contend(number: int) -> None:
        dice = random.Random(100 * rounds + number)
        try:
            with session(aaiclick_engine.path) as own:
                for _ in range(rounds):
                    lease = run(
                        acquire(aaiclick_database, Owner("thread", "here", number), lease_seconds=0.6, max_wait=300),
                        own,
                    )
                    assert lease is not None
                    log.enter(lease.nonce)
                    lost = False
                    try:
                        run(guarded(work(table, lease), lease), own)
                    except LeaseLostError:
                        lost = True
                    # Before the lock is given back: afterwards the next one may be inside already.
                    log.leave(lease.nonce, lost=lost)
                    if dice.random() >= 0.08:
                        run(release(lease), own)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert log.acquired == 8 * rounds
    # One that lost its lease on a stalled machine may be counted beside its successor until it notices.
    assert len(log.overlaps) <= log.lost
    ((overlaps,),) = connection.rows(
        f"SELECT count() FROM (SELECT min(at) AS first, max(at) AS last FROM {table} GROUP BY nonce) AS a"
        f" CROSS JOIN (SELECT min(at) AS first, max(at) AS last FROM {table} GROUP BY nonce) AS b"
        " WHERE a.first < b.first AND b.first <= a.last"
    )
    assert int(overlaps or 0) <= log.lost
    ((entered, left),) = connection.rows(f"SELECT countIf(word = 'enter'), countIf(word = 'leave') FROM {table}")
    assert (entered, left) == (8 * rounds, 8 * rounds) or log.lost
    note("threads that want the lease, holders that vanish", threads=8, leases=log.acquired)


@pytest.mark.parametrize("kill", ["exit", "signal"])
def test_after_a_real_kill_the_next_process_need_not_wait(tmp_path: Path, kill: str) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from aaiclick.lease.acquire import acquire, this_process
        from tests.support.session_connection import Driver, session
        path, kill = sys.argv[1:]
        with session(path) as connection:
            connection.command(__import__("aaiclick.routine").routine.Command("CREATE DATABASE IF NOT EXISTS app"))
            lease = Driver(connection).run(acquire("app", this_process(), lease_seconds=3600, max_wait=20, embedded=True))
            print(lease.nonce, sorted(connection.tables("app")), flush=True)
            if kill == "exit":
                os._exit(9)
            if kill == "signal":
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}

    def start(how: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "data"), how],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=environment,
            cwd=root,
        )

    first = start(kill)
    assert first.returncode in (9, -9), first.stderr
    dead = first.stdout.split()[0]
    second = start("no")
    assert second.returncode == 0, second.stderr
    assert second.stdout.split()[0] != dead
    assert f"_aaiclick_lock_was_{dead}" in second.stdout
