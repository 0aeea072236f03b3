"""Statements of migrations on a cluster."""

from __future__ import annotations

import pytest

from aaiclick import Migration, Policy, Schema
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import fill, table
from tests.cluster.places import QUEUE_FIRST, Place, place_on

STATEMENTS = [
    "CREATE TABLE extra (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id",
    "INSERT INTO events (id, v, s) SELECT id + 1000000, v, s FROM events WHERE id < 10",
    "INSERT INTO events (id, v, s) VALUES (2000000, 1, 'equal')",
    "INSERT INTO events (id, v, s) VALUES (2000000, 1, 'equal')",
    "ALTER TABLE events UPDATE v = v + 100 WHERE id >= 1000000",
]


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_rows_are_changed_once_and_definitions_everywhere(place: Place) -> None:
    """Through a host that has not fetched yet what another one took; an INSERT that equals one before counts, too."""
    _, two = place.cluster.hosts
    place.start(place.schema(1, [table()]))
    two.q(f"SYSTEM STOP FETCHES {place.database}.events")
    fill(place, 20)
    two.q(f"SYSTEM START FETCHES {place.database}.events")
    script = Migration(version=2, sql=STATEMENTS)
    schema = Schema("shop", version=2, objects=[table()], cluster=place.named, migrations=[script])
    place.start(schema, 1, Policy.lossless().allow("run-sql migration 2"))
    place.cluster.sync(f"{place.database}.events")
    found = f"SELECT count(), uniqExact(id), countIf(v >= 100), max(v) < 200 FROM {place.database}.events"
    assert place.cluster.same(found) == [[132, 131, 12, 1]]
    assert place.cluster.same(f"EXISTS TABLE {place.database}.extra") == [[1]]
    assert place.start(schema, 0).steps == ()
