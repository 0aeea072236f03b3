"""Writers that go on during a rebuild: every row that was acknowledged is there exactly once, also in the target of a
materialized view."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aaiclick.apply.run import ApplyOptions
from aaiclick.errors import StatementError
from aaiclick.plan.operations import AttachWork
from aaiclick.routine import Command
from tests.apply.applying import Lab, forms, rebuild

REFUSED = (774, 469)
OLD = "CREATE TABLE t (id UInt64, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY id"
NEW = (
    "CREATE TABLE wanted (id UInt64, p UInt8, v Nullable(String)) ENGINE = MergeTree PARTITION BY p ORDER BY (p, v, "
    "id) SETTINGS allow_nullable_key = 1"
)


class Writers:
    """Two threads with clients of their own: one writes single rows, the other slow blocks. ``acknowledged`` is what
    the server took."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.stop = threading.Event()
        self.acknowledged = 0
        self.refused = 0
        self.failures: list[BaseException] = []
        self.next = 1_000_000
        self.lock = threading.Lock()

    def wait_for(self, acknowledged: int) -> None:
        """However busy the machine is."""
        deadline = time.monotonic() + 60
        while self.acknowledged < acknowledged:
            assert not self.failures, self.failures
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def insert(self, count: int, slow: bool) -> str:
        with self.lock:
            first, self.next = self.next, self.next + count
        pause = " AND NOT ignore(sleepEachRow(0.02))" if slow else ""
        return (
            f"INSERT INTO t SELECT {first} + number, number % 3, if(number % 2 = 0, NULL, 'w') FROM numbers({count}) "
            f"WHERE 1{pause}"
            + (
                " SETTINGS max_block_size = 5, min_insert_block_size_rows = 5, max_insert_threads = 1, max_threads = 1"
                if slow
                else ""
            )
        )

    def loop(self, count: int, slow: bool) -> None:
        client = self.lab.other()
        try:
            while not self.stop.is_set():
                try:
                    client.connection.command(
                        Command(self.insert(count, slow), settings={"async_insert": 0}, database=self.lab.database)
                    )
                    with self.lock:
                        self.acknowledged += count
                    self.stop.wait(0.004)
                except StatementError as error:
                    if error.code not in REFUSED:
                        raise
                    self.refused += 1
                    self.stop.wait(0.01)
        except BaseException as error:
            self.failures.append(error)
        finally:
            client.close()


@contextmanager
def writing(lab: Lab) -> Iterator[Writers]:
    writers = Writers(lab)
    threads = [threading.Thread(target=writers.loop, args=arguments) for arguments in ((1, False), (20, True))]
    for thread in threads:
        thread.start()
    try:
        writers.wait_for(30)
        yield writers
        writers.wait_for(writers.acknowledged + 30)
    finally:
        writers.stop.set()
        for thread in threads:
            thread.join(60)
    assert not writers.failures


def exactly_once(lab: Lab, table: str, rows: int) -> None:
    assert lab.rows(f"SELECT count(), uniqExact(id) FROM {{db}}.{table}") == ((rows, rows),)


def make(lab: Lab) -> None:
    lab.sql(OLD, "INSERT INTO t SELECT number, number % 3, toString(number) FROM numbers(20000)")


@pytest.mark.slow
def test_rebuilds_under_writers(lab: Lab) -> None:
    make(lab)
    there = rebuild(lab, "t", NEW)
    back = rebuild(lab, "t", OLD.replace("CREATE TABLE t", "CREATE TABLE wanted"))
    late = 0
    with writing(lab) as writers:
        for turn in range(2):
            outcome = lab.apply(back if turn % 2 else there, options=ApplyOptions(chunk_rows=8000))
            late += outcome[0].rows
    exactly_once(lab, "t", 20000 + writers.acknowledged)
    assert not writers.refused
    assert not lab.ours()
    assert lab.merging("t")


@pytest.mark.slow
def test_fenced_rebuilds_under_writers_with_a_materialized_view(lab: Lab) -> None:
    make(lab)
    lab.sql(
        "CREATE TABLE seen (id UInt64) ENGINE = MergeTree ORDER BY id",
        "CREATE MATERIALIZED VIEW mv TO seen AS SELECT id FROM t",
    )
    there = rebuild(lab, "t", NEW, fenced=True)
    back = rebuild(lab, "t", OLD.replace("CREATE TABLE t", "CREATE TABLE wanted"), fenced=True)
    with writing(lab) as writers:
        for turn in range(2):
            lab.apply(back if turn % 2 else there)
    exactly_once(lab, "t", 20000 + writers.acknowledged)
    exactly_once(lab, "seen", writers.acknowledged)
    assert not lab.ours()


@pytest.mark.slow
@pytest.mark.usefixtures("fence")
def test_rebuild_of_a_view_target_under_writers(lab: Lab) -> None:
    """Writers reach the table only through a materialized view."""
    make(lab)
    lab.sql("RENAME TABLE t TO seen", OLD, "CREATE MATERIALIZED VIEW mv TO seen AS SELECT id, p, v FROM t")
    work = rebuild(lab, "seen", NEW)
    with writing(lab) as writers:
        for _ in range(2):
            lab.apply(work)
    exactly_once(lab, "t", writers.acknowledged)
    exactly_once(lab, "seen", 20000 + writers.acknowledged)


@pytest.mark.slow
@pytest.mark.usefixtures("fence")
def test_attach_under_writers(lab: Lab) -> None:
    make(lab)
    lab.sql(
        "CREATE TABLE wanted (id UInt64, p UInt8, v Nullable(String)) ENGINE = ReplacingMergeTree PARTITION BY p "
        "ORDER BY id"
    )
    there = AttachWork("t", forms(lab, "wanted")["wanted"])
    lab.sql("DROP TABLE wanted SYNC")
    back = AttachWork("t", forms(lab, "t")["t"])
    with writing(lab) as writers:
        for turn in range(2):
            lab.apply(back if turn % 2 else there)
    exactly_once(lab, "t", 20000 + writers.acknowledged)
    assert not lab.ours()


@pytest.mark.slow
def test_ordered_engine_under_writers_keeps_the_last_row(lab: Lab) -> None:
    """Replacing without a version: one writer counts a key up; the last acknowledged number is the one that is read."""
    lab.sql("CREATE TABLE t (k UInt32, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k")
    work = rebuild(
        lab,
        "t",
        "CREATE TABLE wanted (k UInt64, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k",
        ordered=True,
        fenced=True,
    )
    stop, last = threading.Event(), [0]

    def count() -> None:
        client = lab.other()
        number = 0
        while not stop.is_set():
            number += 1
            try:
                client.sql(f"INSERT INTO t SETTINGS async_insert = 0 VALUES (1, {number})")
                last[0] = number
            except StatementError:
                stop.wait(0.01)
            stop.wait(0.002)
        client.close()

    def counted_to(number: int) -> None:
        deadline = time.monotonic() + 60
        while last[0] < number:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    thread = threading.Thread(target=count)
    thread.start()
    counted_to(10)
    for _ in range(2):
        lab.apply(work)
    counted_to(last[0] + 10)
    stop.set()
    thread.join(60)
    assert lab.rows("SELECT v FROM {db}.t FINAL WHERE k = 1") == ((last[0],),)
