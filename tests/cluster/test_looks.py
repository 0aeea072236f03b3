"""What the planner asks of all hosts: the one that is connected to says nothing of what others have."""

from __future__ import annotations

import pytest

from aaiclick import Column, Engine, ReplacingMergeTree, Schema, Table
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.plan.clusters import sizes
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, table
from tests.cluster.places import PLACES, Place, place_on
from tests.cluster.rig.waiting import wait_until


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


PAIR = pytest.mark.parametrize("place", PLACES[:1], indirect=True)
SHARDS = pytest.mark.parametrize("place", PLACES[2:], indirect=True)


@PAIR
def test_parts_that_another_host_has_detached_are_asked_for(place: Place) -> None:
    """For a copy and for parts that are taken over, through the host that has none."""
    place.start(place.schema(1, [table()]))
    name, (first, other) = f"{place.database}.events", place.cluster.hosts
    first.q(f"INSERT INTO {name} (id) VALUES (1)")
    place.cluster.sync(name)
    first.q(f"ALTER TABLE {name} DETACH PARTITION tuple()", alter_sync=2)
    first.q(f"ALTER TABLE {name} DROP DETACHED PARTITION ALL", allow_drop_detached=1)
    assert other.one(f"SELECT count() FROM system.detached_parts WHERE database = '{place.database}'") == 1
    for wanted in (table(("v", "id")), table(index_granularity=1024)):
        with pytest.raises(SchemaVersionError, match=r"1 detached parts of events on host .*'leave-detached-parts e"):
            place.start(place.schema(2, [wanted]), 0, DROPPED)


@PAIR
def test_tables_of_which_each_replica_would_have_other_rows_are_not_made(place: Place) -> None:
    """Those that keep no rows are."""
    a = [Column("a", "UInt8")]
    kept = [Engine(name) for name in ("Log", "Memory", "Set")]
    for engine in (*kept, Engine("Join", "ANY, LEFT, a"), Engine("ReplacingMergeTree", order_by="a")):
        made = Table("t", a, engine=engine)
        with pytest.raises(BlockedError, match="t is not replicated, and each of its 2 replicas would hold other rows"):
            place.start(place.schema(1, [made]))
    null = Table("nothing", a, engine=Engine("Null"))
    front = Table("front", a, engine=Engine("Buffer", "'', 'nothing', 1, 1, 1, 1, 1, 1, 1"))
    place.start(place.schema(1, [null, front]))


@PAIR
def test_rows_whose_order_counts_and_of_which_nobody_knows_it(place: Place) -> None:
    """Where they lie in several partitions that become one; from one partition to several they keep it."""

    def partitioned(version: int, by: str | None) -> Schema:
        engine = ReplacingMergeTree(order_by=["a"], partition_by=by, replicated="")
        return place.schema(version, [Table("t", [Column("a", "UInt8"), Column("b", "UInt8")], engine=engine)])

    place.start(partitioned(1, "b"))
    with pytest.raises(BlockedError, match=r"of two rows with one key the later one wins \(ReplicatedRepl"):
        place.start(partitioned(2, None))


@pytest.mark.long
@PAIR
def test_rows_that_do_not_come_are_not_taken_for_those_that_are_under_way(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other host took one for which the new type has no room, and the host that is asked does not come by it."""
    monkeypatch.setattr(sizes, "UNDER_WAY", 1)
    place.start(place.schema(1, [table()]))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    one.q(f"INSERT INTO {name} (id, v) SELECT number, 1 FROM numbers(100)")
    place.cluster.sync(name)
    one.q(f"SYSTEM STOP FETCHES {name}")
    two.q(f"INSERT INTO {name} (id, v) VALUES (1000, 70000)")
    delay = f"SELECT absolute_delay FROM system.replicas WHERE database = '{place.database}' AND table = 'events'"
    wait_until(lambda: one.one(delay) > 1, "it is behind", 60)
    said = (
        r"host \S+ has 100 of 101 rows, and others have been under way to it for \d+ s: run again when it has fetched"
    )
    narrower = place.schema(2, [table(v="UInt16")])
    with pytest.raises(BlockedError, match=said):
        place.start(narrower)
    one.q(f"SYSTEM START FETCHES {name}")
    place.cluster.sync(name)
    with pytest.raises(BlockedError, match="70000"):
        place.start(narrower)


@SHARDS
def test_types_of_columns_in_parts_that_another_shard_holds(place: Place) -> None:
    """Of UInt8 -> Bool there the parts know nothing: a mutation would write 1 for true. The host that is connected to
    holds no row."""
    place.start(place.schema(1, [table(v="UInt8")]))
    name, hosts = f"{place.database}.events", place.cluster.hosts
    hosts[3].q(f"INSERT INTO {name} (id, v) VALUES (1, 1)")
    for host in (hosts[0], hosts[3]):
        host.q(f"ALTER TABLE {name} MODIFY COLUMN v Bool", alter_sync=2)
    place.cluster.sync(name)
    report = place.start(place.schema(2, [table(v="String")]), 0, DROPPED)
    assert [step.id for step in report.steps] == ["events:rebuild"]
    assert [host.q(f"SELECT v FROM {name}") for host in hosts[2:]] == ["true", "true"]
