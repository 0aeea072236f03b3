"""Changes of definitions on clusters: every host ends up with the same, and a start through any of them says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from aaiclick import (
    Column,
    Index,
    MergeTree,
    Policy,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.plan import replicas
from aaiclick.specs.schema import SchemaObject
from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.pool import AnyCluster

OBJECTS = """
SELECT name, engine, toString(uuid), create_table_query FROM system.tables
WHERE database = '{database}' AND NOT startsWith(name, '_aaiclick') AND name != 'schema_version' ORDER BY name
"""


@dataclass
class Place:
    """A database on a cluster."""

    cluster: AnyCluster
    database: str
    named: str | None
    made: list[Schema] = field(default_factory=list)

    def schema(self, version: int, objects: Sequence[SchemaObject]) -> Schema:
        return Schema("shop", version=version, objects=list(objects), cluster=self.named)

    def start(self, schema: Schema, host: int = 0, policy: Policy | None = None, **more: Any) -> Any:
        url = self.cluster.hosts[host].database_url(self.database)
        return ensure_schema(url, schema, policy or Policy.lossless(), **more)

    def shows(self) -> list[list[Any]]:
        return self.cluster.same(OBJECTS.format(database=self.database))

    def settle(self, schema: Schema, *allowed: str) -> None:
        """Carry it out through the first host; then it is done, for every host."""
        assert self.start(schema, policy=Policy.lossless().allow(*allowed)).steps
        shown = self.shows()
        for place, host in enumerate(self.cluster.hosts):
            assert not plan_schema(host.database_url(self.database), schema).steps, host
            report = self.start(schema, place)
            assert (report.steps, report.in_sync) == ((), True), host
        assert self.shows() == shown


PLACES = [
    pytest.param((1, 2, "queue"), id="1x2-queue"),
    pytest.param((1, 2, "database"), id="1x2-database"),
    pytest.param((2, 2, "queue"), id="2x2-queue"),
]


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(replicas, "SUPPORTED", frozenset({"queue", "database"}))
    shards, copies, kind = request.param
    cluster = aaiclick_cluster(shards, copies)
    if kind == "queue":
        return Place(cluster, cluster.atomic_database(), "{cluster}")
    return Place(cluster, cluster.replicated_database(), None)


def events(*columns: Column, **more: Any) -> Table:
    engine = MergeTree(order_by=["id"], replicated="", **more.pop("engine", {}))
    return Table("events", [Column("id", "UInt64"), *columns], engine=engine, **more)


@pytest.mark.parametrize("place", PLACES, indirect=True)
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


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_mutations_end_on_all_replicas(place: Place) -> None:
    place.settle(place.schema(1, [events(Column("v", "UInt32"))]))
    for host in place.cluster.hosts:
        host.q(f"INSERT INTO {place.database}.events SELECT number, number FROM numbers(1000)")
    place.settle(place.schema(2, [events(Column("v", "UInt64"))]))
    for host in place.cluster.hosts:
        assert (
            host.q(f"SELECT count() FROM system.mutations WHERE database = '{place.database}' AND NOT is_done") == "0"
        )
