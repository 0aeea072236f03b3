"""Writers and readers from clients of their own, over HTTP, while a schema changes under them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from clickhouse_connect import get_async_client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.specs.engines import ReplacingMergeTree
from aaiclick.testing import EngineServer

READ_ONLY = 774
OLD = "CREATE TABLE t (k UInt64, p UInt8, v String) ENGINE = MergeTree PARTITION BY p ORDER BY k"
FORMS = {
    "rebuild": (MergeTree(order_by=["v", "k"], partition_by="p"), MergeTree(order_by="k", partition_by="p")),
    "attach": (ReplacingMergeTree(order_by="k", partition_by="p"), MergeTree(order_by="k", partition_by="p")),
}


def target(kind: str, version: int) -> Schema:
    """There and back: each version has the other form."""
    columns = [Column("k", "UInt64"), Column("p", "UInt8"), Column("v", "String")]
    return Schema("written", version=version, objects=[Table("t", columns=columns, engine=FORMS[kind][version % 2])])


@dataclass
class Traffic:
    """``acknowledged``: rows that the server took. Times in seconds: the longest that one writer waited for one insert
    to be taken, and that readers missed rows that were acknowledged before they asked."""

    server: EngineServer
    database: str
    acknowledged: int = 0
    refused: int = 0
    longest_wait: float = 0.0
    longest_gap: float = 0.0
    reads: int = 0
    next: int = 1_000_000
    failures: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int) -> int:
        with self.lock:
            first, self.next = self.next, self.next + count
        return first

    def done(self, count: int, waited: float) -> None:
        with self.lock:
            self.acknowledged += count
            self.longest_wait = max(self.longest_wait, waited)

    def wait_for(self, fact: Callable[[], bool]) -> None:
        """However busy the machine is."""
        deadline = time.monotonic() + 60
        while not fact():
            assert not self.failures, self.failures
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def small(self) -> None:
        self._loop(5, lambda first: f"INSERT INTO t SELECT {first} + number, number % 3, 'small' FROM numbers(5)")

    def slow(self) -> None:
        blocks = (
            "SETTINGS max_block_size = 10, min_insert_block_size_rows = 10, max_insert_threads = 1, max_threads = 1"
        )
        text = (
            "INSERT INTO t SELECT {} + number, number % 3, 'slow' FROM numbers(60) WHERE NOT "
            "ignore(sleepEachRow(0.005)) " + blocks
        )
        self._loop(60, text.format)

    def _loop(self, count: int, text: Callable[[int], str]) -> None:
        client = self.server.client(database=self.database)
        try:
            while not self.stop.is_set():
                sql, begun = text(self.take(count)), time.monotonic()
                while True:
                    try:
                        client.command(sql, settings={"async_insert": 0})
                    except DatabaseError as error:
                        if f"Code: {READ_ONLY}" not in str(error):
                            raise
                        self.refused += 1
                        time.sleep(0.005)
                    else:
                        break
                self.done(count, time.monotonic() - begun if "slow" not in sql else 0.0)
                time.sleep(0.005)
        except BaseException as error:
            self.failures.append(error)
        finally:
            client.close()

    def asynchronous(self) -> None:
        asyncio.run(self._asynchronous())

    async def _asynchronous(self) -> None:
        client = await get_async_client(host="127.0.0.1", port=self.server.port, database=self.database)
        try:
            while not self.stop.is_set():
                first, begun = self.take(8), time.monotonic()
                rows = [(first + number, number % 3, "async") for number in range(8)]
                while True:
                    try:
                        await client.insert(
                            "t",
                            rows,
                            column_names=["k", "p", "v"],
                            settings={"async_insert": 1, "wait_for_async_insert": 1},
                        )
                    except DatabaseError as error:
                        if f"Code: {READ_ONLY}" not in str(error):
                            raise
                        self.refused += 1
                        await asyncio.sleep(0.005)
                    else:
                        break
                self.done(8, time.monotonic() - begun)
                await asyncio.sleep(0.008)
        except BaseException as error:
            self.failures.append(error)
        finally:
            await client.close()

    def read(self) -> None:
        client = self.server.client(database=self.database)
        since, base = 0.0, int(str(client.command("SELECT count() FROM t"))) - self.acknowledged
        try:
            while not self.stop.is_set():
                with self.lock:
                    expected = base + self.acknowledged
                asked = time.monotonic()
                found = int(str(client.command("SELECT count() FROM t")))
                self.reads += 1
                if found < expected:
                    since = since or asked
                    self.longest_gap = max(self.longest_gap, time.monotonic() - since)
                else:
                    since = 0.0
                time.sleep(0.005)
        except BaseException as error:
            self.failures.append(error)
        finally:
            client.close()


@contextmanager
def traffic(server: EngineServer, database: str) -> Iterator[Traffic]:
    """Three writers and a reader, until the block ends."""
    made = Traffic(server, database)
    reader = threading.Thread(target=made.read)
    reader.start()
    made.wait_for(lambda: made.reads > 1)
    threads = [threading.Thread(target=work) for work in (made.small, made.slow, made.asynchronous)]
    for thread in threads:
        thread.start()
    try:
        made.wait_for(lambda: made.acknowledged > 50)
        yield made
        before = made.acknowledged
        made.wait_for(lambda: made.acknowledged > before + 50)
    finally:
        made.stop.set()
        for thread in [*threads, reader]:
            thread.join(60)
    assert made.failures == []
