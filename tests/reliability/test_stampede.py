"""Many processes start in the same second on a database that an old release left behind, and those that do the work are
killed."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from aaiclick import Policy
from aaiclick.commands.report import Report
from aaiclick.oplog import init_oplog_tables
from aaiclick.sql.quoting import quote_name
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.oplog.states import PLAIN
from tests.reliability.children import Child, Said
from tests.reliability.counts import note

LEASE = "3"
MORE = """INSERT INTO operation_log (id, result_table, operation, args, kwargs, created_at)
SELECT 1000000 + number, concat('p_', toString(number % 97)), 'insert', [], map(), now64(3) - toIntervalSecond(number % 100000) FROM numbers({count})"""
ROWS = (
    "SELECT count(), uniqExact(id), sum(cityHash64(tuple(id, result_table, operation, "
    "toUnixTimestamp64Milli(created_at)))) FROM {db}.operation_log"
)


class Old:
    """A database of release 0.0.7 on a server, with rows."""

    def __init__(self, server: EngineServer, database: str, count: int) -> None:
        self.server, self.database, self.count = server, database, count
        client = server.client(database=database)
        for statement in (
            *PLAIN[0].statements,
            "SYSTEM STOP MERGES operation_log",
            MORE.format(count=count),
            "SYSTEM START MERGES operation_log",
        ):
            client.command(statement, settings={"async_insert": 0, "max_insert_block_size": 50_000})
        client.close()
        self.rows = self.read()

    def ask(self, sql: str) -> str:
        return self.server.command(sql.replace("{db}", quote_name(self.database)))

    def read(self) -> str:
        return self.ask(ROWS)

    def children(self, count: int) -> list[Child]:
        made = [Child("legacy", self.server.url, self.database, LEASE) for _ in range(count)]
        return [child.ready() for child in made]

    def holder(self) -> int:
        """The process id in the lock, 0 where there is none."""
        comment = self.ask(
            f"SELECT comment FROM system.tables WHERE database = '{self.database}' AND name = '_aaiclick_lock' "
            "FORMAT TSVRaw"
        ).strip()
        return int(json.loads(comment)["pid"]) if comment else 0

    def check(self) -> None:
        assert self.read() == self.rows
        assert (
            self.ask(
                f"SELECT sorting_key FROM system.tables WHERE database = '{self.database}' AND name = 'operation_log'"
            )
            == "result_table, created_at\n"
        )
        assert (
            self.ask("SELECT version, state, count() FROM {db}.schema_version WHERE version = 5 GROUP BY ALL")
            == "5\tapplied\t1\n"
        )
        left = self.ask(
            f"SELECT name FROM system.tables WHERE database = '{self.database}' AND match(name, "
            "'^_aaiclick_(new|stage|mark|lock$)')"
        )
        assert left == ""


def overlapping(said: Sequence[Said], ends: dict[int, float]) -> list[tuple[float, float]]:
    """Spans of work that overlap; one that was killed worked until then."""
    spans = sorted(
        (float(each.lines["work"]), float(each.lines.get("rest", ends.get(place, 0))))
        for place, each in enumerate(said)
        if "work" in each.lines
    )
    return [first for first, second in pairwise(spans) if second[0] < first[1]]


def stampede(old: Old, processes: int, kills: int, seed: int) -> int:
    """Start them all, kill the holder so many times; how many were killed."""
    moment = random.Random(seed)
    children = old.children(processes)
    by_pid = {child.process.pid: place for place, child in enumerate(children)}
    for child in children:
        child.go()
    ends: dict[int, float] = {}
    deadline = time.monotonic() + 240
    while len(ends) < kills and time.monotonic() < deadline and any(child.process.poll() is None for child in children):
        pid = old.holder()
        place = by_pid.get(pid)
        if place is None or place in ends:
            time.sleep(0.005)
            continue
        time.sleep(moment.uniform(0, 0.6))
        if children[place].process.poll() is None:
            children[place].process.send_signal(signal.SIGKILL)
            ends[place] = time.monotonic()
    said = [child.end() for child in children]
    killed = [place for place, each in enumerate(said) if each.code < 0]
    assert set(killed) <= set(ends)
    # On a machine that is much too busy a living holder is too slow to renew: it stops, and is started again like any
    # other process.
    starved = [place for place, each in enumerate(said) if place not in killed and "LeaseLostError" in each.text]
    assert [each.text for place, each in enumerate(said) if place not in (*killed, *starved) and each.code != 0] == []
    assert [each.text for each in (child.go().end() for child in old.children(len(starved))) if each.code != 0] == []
    assert overlapping(said, ends) == []
    assert sum(bool(each.steps) for each in said) <= 1
    old.check()
    note(
        "stampede of 32 processes over HTTP, holders killed",
        stampedes=1,
        processes=processes,
        holders_killed=len(killed),
        holders_that_were_too_slow=len(starved),
        rows=old.count,
    )
    return len(killed)


@pytest.mark.slow
def test_a_few_processes_and_the_holder_is_killed(aaiclick_server: EngineServer, aaiclick_server_database: str) -> None:
    assert stampede(Old(aaiclick_server, aaiclick_server_database, 100_000), 4, 1, 1) == 1


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(3))
def test_thirty_two_processes_and_holders_are_killed(
    seed: int, aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    assert stampede(Old(aaiclick_server, aaiclick_server_database, 1_000_000), 32, 6, seed) > 0


@pytest.mark.slow
def test_a_holder_that_was_paused_is_taken_over_and_stops(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    old = Old(aaiclick_server, aaiclick_server_database, 300_000)
    first, second = old.children(2)
    first.go()
    while old.holder() != first.process.pid:
        time.sleep(0.005)
    time.sleep(0.2)
    first.process.send_signal(signal.SIGSTOP)
    try:
        taken = second.go().end()
    finally:
        first.process.send_signal(signal.SIGCONT)
    stopped = first.end()
    assert taken.code == 0, taken.text
    if stopped.code:
        assert "LeaseLostError" in stopped.text
    assert "left a migration of database" in taken.text or stopped.code == 0
    old.check()


@pytest.fixture
def embedded_old(aaiclick_engine: EmbeddedEngine, aaiclick_database: str) -> str:
    client = aaiclick_engine.client(database=aaiclick_database)
    for statement in PLAIN[0].statements:
        client.command(statement)
    client.close()
    return aaiclick_database


@pytest.mark.slow
def test_threads_of_one_process(aaiclick_engine: EmbeddedEngine, embedded_old: str) -> None:
    database = quote_name(embedded_old)
    before = aaiclick_engine.command(ROWS.replace("{db}", database))
    reports: list[Report] = []
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        try:
            reports.append(init_oplog_tables(aaiclick_engine.url, database=embedded_old, policy=Policy.lossless()))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert [len(report.steps) > 0 for report in reports].count(True) == 1
    assert aaiclick_engine.command(ROWS.replace("{db}", database)) == before
    assert aaiclick_engine.command(f"SELECT count() FROM {database}.schema_version WHERE version = 5") == "1\n"
