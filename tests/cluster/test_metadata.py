"""Changes of definitions on clusters: every host ends up with the same, and a start through any of them says so."""

from __future__ import annotations

import pytest

from aaiclick import Column, Index, View
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import LARGE_FIRST, Place, events, place_on


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.parametrize("place", LARGE_FIRST, indirect=True)
def test_create_alter_and_views(place: Place) -> None:
    v = Column("v", "UInt64")
    at = Column("at", "DateTime")
    place.settle(place.schema(1, [events(v, at), View("seen", query="SELECT id FROM events")]))
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events SELECT number, number, now() FROM numbers(1000)")
    place.settle(
        place.schema(
            2,
            [
                events(
                    v,
                    at,
                    Column("note", "String", comment="what was said"),
                    indexes=[Index("by_v", expr="v", type="minmax")],
                    engine={"settings": {"merge_with_ttl_timeout": 3600}, "ttl": "at + INTERVAL 30 DAY"},
                    comment="all of them",
                ),
                View("seen", query="SELECT id, note FROM events"),
            ],
        ),
        "change-ttl events",
    )
    assert place.cluster.hosts[-1].q(f"SELECT count() FROM {place.database}.seen") in ("1000", "0")


@pytest.mark.parametrize("place", LARGE_FIRST, indirect=True)
def test_mutations_end_on_all_replicas(place: Place) -> None:
    place.settle(place.schema(1, [events(Column("v", "UInt32"))]))
    for host in place.cluster.hosts:
        host.q(f"INSERT INTO {place.database}.events SELECT number, number FROM numbers(1000)")
    # A default that is another value at each read is written at once, by a mutation behind the ALTER that adds it.
    place.settle(place.schema(2, [events(Column("v", "UInt64"), Column("w", "UInt64", default="rand64()"))]))
    unread = f"SELECT count() FROM system.parts_columns WHERE database = '{place.database}' AND active AND column = 'w'"
    for host in place.cluster.hosts:
        assert (
            host.q(f"SELECT count() FROM system.mutations WHERE database = '{place.database}' AND NOT is_done") == "0"
        )
        assert host.q(unread) != "0"
