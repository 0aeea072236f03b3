"""What the planner asks of all hosts: the one that is connected to says nothing of what others have."""

from __future__ import annotations

import pytest

from aaiclick import Column, Engine, MergeTree, Table, rollback_schema
from aaiclick.errors import AaiclickError, ApplyError, BlockedError, SchemaVersionError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, table
from tests.cluster.places import PLACES, Place, place_on


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


@SHARDS
def test_old_parts_of_another_shard_keep_their_values(place: Place) -> None:
    """A column that they lack reads its default: another default would change what they give."""
    id_, v = Column("id", "UInt64"), Column("v", "UInt32", default="7")
    engine = MergeTree(order_by=["id"], replicated="")
    place.start(place.schema(1, [Table("events", [id_], engine=engine)]))
    name, hosts = f"{place.database}.events", place.cluster.hosts
    hosts[2].q(f"INSERT INTO {name} (id) VALUES (1)")
    place.start(place.schema(2, [Table("events", [id_, v], engine=engine)]))
    hosts[0].q(f"INSERT INTO {name} (id) VALUES (2)")
    other = Column("v", "UInt32", default="8")
    with pytest.raises(BlockedError, match="old parts without v"):
        place.start(place.schema(3, [Table("events", [id_, other], engine=engine)]))


@PAIR
def test_what_another_host_alone_has_is_seen_by_a_copy_and_by_the_way_back(place: Place) -> None:
    """A materialized view that writes into the table; and parts that were detached since it was replaced."""
    place.start(place.schema(1, [table()]))
    db, (first, other) = place.database, place.cluster.hosts
    other.q(f"CREATE TABLE {db}.source (id UInt64) ENGINE = Memory")
    other.q(f"CREATE MATERIALIZED VIEW {db}.feed TO {db}.events AS SELECT id FROM {db}.source")
    newer = place.schema(2, [table(("v", "id"))])
    with pytest.raises(ApplyError, match=r"the materialized view .*feed.* writes into it"):
        place.start(newer)
    other.q(f"DROP VIEW {db}.feed SYNC")
    place.start(newer)
    first.q(f"INSERT INTO {db}.events (id) VALUES (1)")
    place.cluster.sync(f"{db}.events")
    first.q(f"ALTER TABLE {db}.events DETACH PARTITION tuple()", alter_sync=2)
    first.q(f"ALTER TABLE {db}.events DROP DETACHED PARTITION ALL", allow_drop_detached=1)
    with pytest.raises(AaiclickError, match=r"1 detached parts of events on host .*'leave-detached-parts events'"):
        rollback_schema(first.database_url(db), newer)
