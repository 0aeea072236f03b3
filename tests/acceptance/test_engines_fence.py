"""Writers are kept out by a constraint on releases that have no ``table_readonly``: a table that a materialized view
reads gets another sort key, or another engine, while writers go on; and a run is killed behind the fence."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick import Column, MaterializedView, MergeTree, Policy, ReplacingMergeTree, Schema, Table, ensure_schema
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from tests.acceptance.old_engines import PYTHONS, OldEngine
from tests.apply.applying import Killed, Lab
from tests.apply.test_rebuild_kill import ROW, attach, fenced, make

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]

COLUMNS = [Column("id", "UInt64"), Column("v", "String")]
SEEN = Table("seen", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
VIEW = MaterializedView("mv", query="SELECT id FROM t", to="seen")


class Writer(threading.Thread):
    """Inserts one row after another, and repeats what was refused."""

    def __init__(self, client: Client, first: int) -> None:
        super().__init__()
        self.client, self.next = client, first
        self.acknowledged: list[int] = []
        self.refused = 0
        self.failures: list[BaseException] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.client.command(f"INSERT INTO t VALUES ({self.next}, 'w')")
            except DatabaseError as error:
                if FENCE_CONSTRAINT not in str(error) and "Code: 774" not in str(error):
                    self.failures.append(error)
                    return
                self.refused += 1
                self.over.wait(0.01)
            else:
                self.acknowledged.append(self.next)
                self.next += 1


@pytest.mark.parametrize(
    ("engine", "strategy"),
    [(MergeTree(order_by=["v", "id"]), "rebuild"), (ReplacingMergeTree(order_by=["id"]), "attach")],
    ids=["rebuild", "attach"],
)
def test_every_acknowledged_row_is_there_once(
    client: Client, old_engine: OldEngine, engine: MergeTree, strategy: str
) -> None:
    before = Schema("app", version=1, objects=[Table("t", COLUMNS, engine=MergeTree(order_by=["id"])), SEEN, VIEW])
    ensure_schema(client, before)
    client.command("INSERT INTO t SELECT number, 'old' FROM numbers(20000)")
    database = client.database
    writers = [Writer(old_engine.client(database), first) for first in (1_000_000, 2_000_000, 3_000_000)]
    for writer in writers:
        writer.start()
    try:
        after = Schema("app", version=2, objects=[Table("t", COLUMNS, engine=engine), SEEN, VIEW])
        report = ensure_schema(client, after, policy=Policy.lossless())
    finally:
        for writer in writers:
            writer.over.set()
            writer.join(60)
            writer.client.close()
    assert [step.strategy for step in report.steps] == [strategy]
    assert not [failure for writer in writers for failure in writer.failures]
    wanted = Counter(dict.fromkeys(range(20000), 1))
    wanted.update(number for writer in writers for number in writer.acknowledged)
    for table in ("t", "seen"):
        listed = client.query(f"SELECT id FROM {table} SETTINGS max_threads = 1").result_columns
        assert Counter(listed[0]) == wanted, table
    assert FENCE_CONSTRAINT not in str(client.command("SHOW CREATE TABLE t"))
    assert ensure_schema(client, after).steps == ()


@pytest.mark.parametrize("kind", [fenced, attach], ids=["rebuild", "attach"])
def test_killed_behind_the_fence(client: Client, old_engine: OldEngine, kind: object) -> None:
    lab = Lab(old_engine.server.url, str(client.database))
    make(lab)
    assert callable(kind)
    work = kind(lab)
    fences = 0
    for stop in range(0, len(lab.effects(lab.work(work))), 3):
        make(lab)
        expected = lab.bag("t", ROW)
        try:
            lab.run(lab.work(work), stop=stop)
        except Killed:
            fences += FENCE_CONSTRAINT in lab.definition("t")
        lab.clean()
        assert lab.bag("t", ROW) == expected
        assert FENCE_CONSTRAINT not in lab.definition("t")
        lab.sql("INSERT INTO t VALUES (1, 1, 'after')")
    assert fences or old_engine.release not in ("25.8", "24.8")
    lab.close()
