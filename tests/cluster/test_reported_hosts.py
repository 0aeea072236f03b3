"""What others have reported of hosts that lag, are away or read-only, as it goes here. Each is told in
``reported.py``."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Policy, Table, View, validate_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, BlockedError, HazardNotAllowedError, OutcomeUnknownError
from aaiclick.routine import Command, Effect
from aaiclick.specs.schema import Schema
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, rekeyed
from tests.cluster.places import PLACES, Place, dead, events, label_of, place_on
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.waiting import wait_until
from tests.reliability.driving import Driver

pytestmark = pytest.mark.long
V, W, X = Column("v", "UInt64"), Column("w", "UInt64"), Column("x", "UInt64")


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


PAIR = pytest.mark.parametrize("place", PLACES[:1], indirect=True)
DATABASE = pytest.mark.parametrize("place", PLACES[1:2], indirect=True)


@contextmanager
def queue_held(place: Place, seconds: int) -> Generator[None]:
    """The DDL queue of the second host stands still for so many seconds, the first one's does not."""
    one = place.cluster.hosts[0]
    made = f"CREATE TABLE {place.database}.held ON CLUSTER {place.cluster.name} ENGINE = Memory AS SELECT sleepEachRow("
    with suppress(RefusedError):
        one.q(
            f"{made}if(getMacro('replica') = 'r2', 1, 0)) AS s FROM numbers({seconds}) SETTINGS max_block_size = 1",
            distributed_ddl_task_timeout=1,
        )
    yield
    waiting = "SELECT count() FROM system.distributed_ddl_queue WHERE status != 'Finished'"
    wait_until(lambda: one.one(waiting) == 0, "the queue goes on", 60)


def sent(place: Place, schema: Schema) -> list[str]:
    """What a start through the first host sends."""
    opened, texts = open_url(place.cluster.hosts[0].database_url(place.database)), list[str]()

    def seen(effect: Effect) -> None:
        if isinstance(effect, Command):
            texts.append(effect.sql)

    try:
        Driver(opened, before=seen).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    finally:
        opened.close()
    return texts


@PAIR
def test_a_view_comes_when_every_host_has_its_table(place: Place) -> None:
    """In one run, while a host is behind."""
    target = Table("seen", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"], replicated=""))
    fed = MaterializedView("fill", query="SELECT id FROM events", to="seen")
    schema = place.schema(1, [events(V), target, fed, View("shown", query="SELECT id FROM seen")])
    two, before = place.cluster.hosts[1], list[int]()
    there = f"SELECT count() FROM system.tables WHERE database = '{place.database}' AND name IN ('events', 'seen')"

    def look(effect: Effect) -> None:
        if isinstance(effect, Command) and " VIEW " in effect.sql and "ON CLUSTER" in effect.sql:
            before.append(two.one(there))

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with queue_held(place, 4):
        Driver(opened, before=look).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
        opened.close()
    assert before
    assert set(before) == {2}
    place.is_settled(schema)


@PAIR
def test_a_step_is_done_when_the_view_is_on_the_host_that_lags(place: Place) -> None:
    """What that host takes until then is not in the target, as what came before; what it takes from then on is, once."""
    tables = [events(V), Table("seen", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"], replicated=""))]
    place.start(place.schema(1, tables))
    db, hosts = place.database, place.cluster.hosts
    with queue_held(place, 4):
        hosts[1].q(f"INSERT INTO {db}.events (id) VALUES (1)")
        fed = MaterializedView("fill", query="SELECT id FROM events", to="seen")
        place.start(place.schema(2, [*tables, fed]))
        for number, host in enumerate(hosts):
            host.q(f"INSERT INTO {db}.events (id) VALUES ({10 + number})")
    place.cluster.sync(f"{db}.seen")
    assert place.cluster.same(f"SELECT id FROM {db}.seen ORDER BY id") == [[10], [11]]


@DATABASE
def test_a_table_of_which_each_replica_has_other_rows_is_refused_and_told(place: Place) -> None:
    plain = Table("plain", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"]))
    with pytest.raises(BlockedError, match="plain is not replicated, and each of its 2 replicas would hold other rows"):
        place.start(place.schema(1, [plain]))
    one = place.cluster.hosts[0]
    one.q(f"CREATE TABLE {place.database}.plain (id UInt64) ENGINE = MergeTree ORDER BY id")
    one.q(f"INSERT INTO {place.database}.plain SELECT number FROM numbers(3)")
    status = validate_schema(one.database_url(place.database), place.schema(1, [plain]))
    assert [host.fewer for host in status.hosts] == [(), ("plain has 0 rows of 3",)]


@PAIR
def test_alters_are_sent_once_whatever_a_replica_lacks(place: Place) -> None:
    """It is two versions of the table behind when the start comes."""
    place.start(place.schema(1, [events(V)]))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    two.q(f"SYSTEM STOP REPLICATION QUEUES {name}")
    for index in ("one", "two"):
        one.q(f"ALTER TABLE {name} ADD INDEX {index} v TYPE minmax", alter_sync=1)
    timer = threading.Timer(3, lambda: two.q(f"SYSTEM START REPLICATION QUEUES {name}"))
    timer.start()
    texts = [text for text in sent(place, place.schema(2, [events(V, W, X)])) if "ADD COLUMN" in text]
    timer.join()
    assert texts
    assert len(set(texts)) == len(texts)
    columns = f"SELECT groupArray(name) FROM system.columns WHERE database = '{place.database}' AND table = 'events'"
    assert place.cluster.same(columns) == [[["id", "v", "w", "x"]]]


@PAIR
def test_a_read_only_replica_is_named_and_a_lost_answer_is_looked_up(place: Place) -> None:
    place.start(place.schema(1, [events(V)]))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    active = f"SELECT active_replicas FROM system.replicas WHERE database = '{place.database}' AND table = 'events'"
    two.kill()
    wait_until(lambda: one.one(active) == 1, "gone", 60)
    one.q(f"SYSTEM DROP REPLICA 'r2' FROM TABLE {name}")
    two.start()
    with pytest.raises(HazardNotAllowedError, match="events is read-only there; nothing was changed"):
        place.start(place.schema(2, [events(V, W)]))
    two.q(f"SYSTEM RESTORE REPLICA {name}")
    lost = list[str]()

    def cut(effect: Effect) -> None:
        if isinstance(effect, Command) and "ADD COLUMN" in effect.sql and "ON CLUSTER" in effect.sql:
            lost.append(effect.sql)
            one.q(effect.sql)
            raise OutcomeUnknownError("the reply ended in its middle")

    opened = open_url(one.database_url(place.database))
    run = Run(place.schema(2, [events(V, W)]), place.database, DROPPED, dead(), False, VERSION)
    Driver(opened, before=cut).run(ensure(run))
    opened.close()
    assert len(lost) == 1
    place.is_settled(place.schema(2, [events(V, W)]))


@PAIR
def test_a_queue_that_stands_still_is_named_with_its_entry(place: Place) -> None:
    place.start(rekeyed(1, place))
    fill(place, 20)
    with queue_held(place, 25):
        time.sleep(6)
        with pytest.raises(AaiclickError, match=r"host \S+ has not carried out query-\d+ of the DDL queue, which is"):
            place.start(rekeyed(2, place), 0, DROPPED)
        keys = f"SELECT sorting_key FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
        assert place.cluster.same(keys) == [["id"]]


@PAIR
def test_what_is_made_and_altered_without_a_host_is_there_when_it_is_back(place: Place) -> None:
    place.start(place.schema(1, [events(V)]))
    two = place.cluster.hosts[1]
    label = label_of(two)
    two.kill()
    more = Table("more", [Column("id", "UInt64")], engine=MergeTree(order_by=["id"], replicated=""))
    second = place.schema(2, [events(V, W), more])
    with pytest.raises(HazardNotAllowedError, match=f"host {label} does not answer; nothing was changed"):
        place.start(second)
    place.start(second, policy=Policy.lossless().allow(f"without-host {label}"))
    two.start()
    wait_until(lambda: two.answers, "it is back", 60)
    place.is_settled(second)
