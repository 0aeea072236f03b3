"""Statements and functions of migrations on several shards that change rows: they would have to be carried out once on
each of them, and are refused. What looks at rows is in ``test_looks_on_shards.py``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from aaiclick import Column, Migration, Schema, Table, plan_schema
from aaiclick.errors import BlockedError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, table
from tests.cluster.places import PLACES, Place, place_on

ROWS = "SELECT sum(v), count(), uniqExact(id) FROM {}.events"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


SHARDS = pytest.mark.parametrize("place", PLACES[2:], indirect=True)


def migrated(place: Place, *migrations: Migration, order_by: Sequence[str] = ("id",), v: str = "UInt32") -> Schema:
    last = 1 + len(migrations)
    return Schema("shop", version=last, objects=[table(order_by, v)], migrations=list(migrations), cluster=place.named)


def moved(client: object) -> None:
    """Never called."""


def per_shard(place: Place) -> list[list[int]]:
    hosts = place.cluster.hosts[:: place.cluster.replicas]
    return [host.rows(ROWS.format(place.database))[0] for host in hosts]


@SHARDS
def test_what_changes_rows_is_refused(place: Place) -> None:
    place.start(migrated(place))
    fill(place, 5)
    four = place.cluster.hosts[3]
    four.q(f"INSERT INTO {place.database}.events (id, v, s) VALUES (1000, 70000, 'large')")
    place.cluster.sync(f"{place.database}.events")
    before, shown = per_shard(place), place.shows()
    once = "has the rows of its own shard only"
    refused = [
        (migrated(place, Migration(2, sql=["ALTER TABLE events UPDATE v = v + 1 WHERE 1"], oldest_code=1)), once),
        (migrated(place, Migration(2, sql=["INSERT INTO events SELECT * FROM events"], oldest_code=1)), once),
        (migrated(place, Migration(2, move=moved, oldest_code=1)), "its function sends statements of its own"),
    ]
    for schema, said in refused:
        with pytest.raises(BlockedError, match=said):
            place.start(schema, 0, DROPPED.allow("drop-rows events"))
    assert per_shard(place) == before
    assert place.shows() == shown
    hidden_rows_of_every_shard_count(place)


def hidden_rows_of_every_shard_count(place: Place) -> None:
    """A default that is written at once fails on a row of the other shard that a lightweight DELETE has hidden."""
    place.cluster.hosts[3].q(f"DELETE FROM {place.database}.events WHERE id = 1000 SETTINGS mutations_sync = 2")
    before = table()
    written = Column("w", "UInt32", default="toUInt32(s) + rand() % 2")
    after = Table("events", [*before.columns, written], engine=before.engine)
    plan = plan_schema(place.cluster.hosts[0].database_url(place.database), place.schema(2, [after]))
    assert [step.strategy for step in plan.steps] == ["rebuild"]  # without that row it is a mutation
