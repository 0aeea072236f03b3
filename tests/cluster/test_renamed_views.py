"""A materialized view gets another name on a cluster: on every host each row goes through it once."""

from __future__ import annotations

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Migration, Policy, Schema, Table
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import QUEUE_FIRST, Place, place_on


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, version: int) -> Schema:
    engine = MergeTree(order_by=["id"], replicated="")
    name, query = ("fill", "SELECT id FROM events") if version == 1 else ("filled", "SELECT id + 0 AS id FROM events")
    made = place.schema(
        version,
        [
            Table("events", [Column("id", "UInt64")], engine=engine),
            Table("seen", [Column("id", "UInt64")], engine=engine),
            MaterializedView(name, query=query, to="seen"),
        ],
    )
    renamed = Migration(version=2, renames={"fill": "filled"})
    return made.model_copy(update={"migrations": [renamed]}) if version == 2 else made


@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_each_row_goes_through_it_once(place: Place) -> None:
    place.start(schema(place, 1))
    for version in (1, 2):
        if version == 2:
            place.start(schema(place, 2), 1, Policy.lossless())
        for number, host in enumerate(place.cluster.hosts):
            host.q(f"INSERT INTO {place.database}.events VALUES ({10 * version + number})")
        place.cluster.sync(f"{place.database}.seen")
    expected = [[10], [11], [20], [21]]
    assert place.cluster.same(f"SELECT id FROM {place.database}.seen ORDER BY id") == expected
    for host in place.cluster.hosts:
        listed = host.rows(
            f"SELECT name FROM system.tables WHERE database = '{place.database}' AND engine LIKE '%View'"
        )
        assert [row[0] for row in listed if "aaiclick" not in row[0]] == ["filled"]
    assert place.start(schema(place, 2)).steps == ()
