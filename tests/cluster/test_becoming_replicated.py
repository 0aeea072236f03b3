"""A table that each host has for itself becomes one that all have: the host with rows gives its parts."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Schema, Table, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, KILLED, is_whole, table
from tests.cluster.places import PLACES, Place, killed_at, place_on
from tests.reliability.counts import note

COLUMNS = [Column("id", "UInt64"), Column("v", "UInt32"), Column("s", "String")]
PLAIN = Table("events", COLUMNS, engine=MergeTree(order_by=["id"]))


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def begin(place: Place) -> int:
    """As an application leaves it that ran on one server: the others have an empty table, which somebody made there, and
    the first host of each further shard has rows; how many there are."""
    db, hosts = place.database, place.cluster.hosts
    place.start(Schema("shop", version=1, objects=[PLAIN]))
    made = hosts[0].one(f"SELECT create_table_query FROM system.tables WHERE database = '{db}' AND name = 'events'")
    for host in hosts[1:]:
        host.q(made)
    for host in hosts[:: place.cluster.replicas]:
        for part in range(2):
            first = 1000 * host.shard + 100 * part
            host.q(f"INSERT INTO {db}.events SELECT {first} + number, 1, 'x' FROM numbers(100)")
    return 200 * place.cluster.shards


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [PLACES[0], pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long)], indirect=True
)
def test_the_host_with_rows_gives_its_parts(place: Place) -> None:
    """Through a host that has none. Where two hosts of a shard have rows nothing is changed."""
    rows, wanted = begin(place), place.schema(2, [table()])
    with pytest.raises(BlockedError, match="make the two changes in two versions"):
        place.start(place.schema(2, [table(("v", "id"))]), 1)
    other = place.cluster.hosts[1]
    other.q(f"INSERT INTO {place.database}.events (id) VALUES (1)")
    with pytest.raises(BlockedError, match="have rows in tables of their own"):
        place.start(wanted, 1)
    other.q(f"TRUNCATE TABLE {place.database}.events")
    assert [step.strategy for step in place.start(wanted, 1).steps] == ["attach"]
    is_whole(place, rows, kept=1)
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.events (id) VALUES ({number})")
        assert place.start(wanted, number).in_sync
    is_whole(place, rows + len(place.cluster.hosts), kept=1)


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_parts_that_somebody_detached_are_asked_for_through_any_host(place: Place) -> None:
    """The host with the rows has them, and the other one is asked. The plan says who gives its parts, and how many rows
    there are."""
    begin(place)
    first = place.cluster.hosts[0]
    first.q(f"ALTER TABLE {place.database}.events DETACH PARTITION tuple()")
    first.q(f"INSERT INTO {place.database}.events (id) VALUES (1), (2)")
    with pytest.raises(SchemaVersionError, match=r"2 detached parts of events on host .*'leave-detached-parts e"):
        place.start(place.schema(2, [table()]), 1, DROPPED)
    plan = plan_schema(place.cluster.hosts[1].database_url(place.database), place.schema(2, [table()]))
    (step,) = plan.steps
    assert step.rows == 2
    label = first.one(
        f"SELECT host_name || ':' || port FROM system.clusters WHERE cluster = '{place.cluster.name}' AND is_local"
    )
    assert f"-- on host {label}; the other hosts" in "\n".join(step.sql)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]], indirect=True)
def test_one_that_was_killed_is_put_right(place: Place) -> None:
    """Before the first command and after every fourth, through another host."""
    killed = 0
    for commands in range(0, 400, 4):
        fresh = Place(place.cluster, place.cluster.atomic_database(), place.named)
        rows, wanted = begin(fresh), fresh.schema(2, [table()])
        ended = not killed_at(fresh, wanted, 1, commands, DROPPED)
        killed += not ended
        fresh.start(wanted, 0, DROPPED)
        is_whole(fresh, rows)
        for host in fresh.cluster.hosts:
            host.q(f"DROP DATABASE {fresh.database} SYNC")
        if ended:
            break
    assert killed > 10
    note(KILLED, kills=killed)
