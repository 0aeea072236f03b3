"""Writers are kept out by a constraint on releases that have no ``table_readonly``: a table that a materialized view
reads gets another sort key, or another engine, while writers go on; and a run is killed behind the fence."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.plan.operations import AttachWork, RebuildWork
from tests.acceptance.old_engines import PYTHONS, OldEngine
from tests.apply.applying import Killed, Lab
from tests.apply.test_rebuild_kill import ROW, attach, fenced, make

pytestmark = [pytest.mark.engines, pytest.mark.skipif(not PYTHONS, reason="AAICLICK_ENGINES names no other engine")]

Kind = Callable[[Lab], "RebuildWork | AttachWork"]


class Old(Lab):
    """These chdb finish no DROP: they would wait for it."""

    def sql(self, *statements: str) -> None:
        super().sql(*(statement.removesuffix(" SYNC") for statement in statements))


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
                self.client.command(f"INSERT INTO t VALUES ({self.next}, 1, 'w')")
            except DatabaseError as error:
                if FENCE_CONSTRAINT not in str(error) and "Code: 774" not in str(error):
                    self.failures.append(error)
                    return
                self.refused += 1
                self.over.wait(0.01)
            else:
                self.acknowledged.append(self.next)
                self.next += 1
                self.over.wait(0.05)


@pytest.mark.parametrize("kind", [fenced, attach], ids=["rebuild", "attach"])
def test_every_acknowledged_row_is_there_once(client: Client, old_engine: OldEngine, kind: Kind) -> None:
    lab = Old(old_engine.server.url, str(client.database))
    make(lab)
    lab.sql("CREATE TABLE seen (k UInt32) ENGINE = MergeTree ORDER BY k")
    lab.sql("CREATE MATERIALIZED VIEW mv TO seen AS SELECT k FROM t")
    work = kind(lab)
    writers = [Writer(old_engine.client(client.database), first) for first in (1_000_000, 2_000_000)]
    for writer in writers:
        writer.start()
    try:
        lab.apply(work)
    finally:
        for writer in writers:
            writer.over.set()
            writer.join(60)
            writer.client.close()
    assert not [failure for writer in writers for failure in writer.failures]
    came = [number for writer in writers for number in writer.acknowledged]
    assert came
    assert lab.bag("t", "k") == Counter((f"({number})",) for number in [*range(200), *came])
    assert lab.bag("seen", "k") == Counter((f"({number})",) for number in came)
    assert FENCE_CONSTRAINT not in lab.definition("t")
    assert not lab.ours()
    lab.close()


@pytest.mark.parametrize("kind", [fenced, attach], ids=["rebuild", "attach"])
def test_killed_behind_the_fence(client: Client, old_engine: OldEngine, kind: Kind) -> None:
    lab = Old(old_engine.server.url, str(client.database))
    make(lab)
    work = kind(lab)
    fences = 0
    for stop in range(0, len(lab.effects(lab.work(work))), 7):
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
