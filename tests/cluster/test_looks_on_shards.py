"""What the plan looks at of the rows and parts of every shard: what only another shard has is found, and asked for by
name, as on one host. The start goes through the first shard, which has no such row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from aaiclick import (
    Column,
    Constraint,
    Index,
    MergeTree,
    Migration,
    Projection,
    Rebuild,
    ReplacingMergeTree,
    Schema,
    Table,
    plan_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.plan.model import Plan
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED
from tests.cluster.places import Place, label_of, place_on

ID, V, S = Column("id", "UInt64"), Column("v", "UInt32"), Column("s", "String")
EVEN = Constraint("even", check="v % 2 = 0")
NUMBERS = Index("numbers", expr="toUInt32(s)", type="minmax")
COUNTS = Projection("counts", query="SELECT toUInt32(s) AS k, count() GROUP BY k")


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, (2, 2, "queue"))


def events(*columns: Column, order_by: Sequence[str] = ("id",), **more: Any) -> Table:
    return Table("events", [ID, *columns], engine=MergeTree(order_by=list(order_by), replicated=""), **more)


def planned(place: Place, schema: Schema) -> Plan:
    return plan_schema(place.cluster.hosts[0].database_url(place.database), schema)


def insert(place: Place, host: int, values: str) -> None:
    place.cluster.hosts[host].q(f"INSERT INTO {place.database}.events VALUES {values}")
    place.cluster.sync(f"{place.database}.events")


BLOCKS = {
    "a type that is too narrow": (events(V), "(1, 70000)", events(Column("v", "UInt16")), r"1 row .*70000"),
    "NULL": (events(Column("v", "Nullable(UInt32)")), "(1, NULL)", events(V), r"1 row .*NULL"),
    "a new constraint": (events(V), "(1, 7)", events(V, constraints=[EVEN]), "1 row violates the constraint even"),
    "a constraint of a copy": (
        events(V),
        "(1, 7)",
        events(V, order_by=["v", "id"], constraints=[EVEN]),
        "1 row violates the constraint even",
    ),
    "a default": (
        events(S),
        "(1, 'x')",
        events(S, Column("w", "UInt32", default="toUInt32(s)")),
        "the default toUInt32\\(s\\) of the new column w cannot be computed",
    ),
    "an index": (events(S), "(1, 'x')", events(S, indexes=[NUMBERS]), r"the index numbers \(toUInt32\(s\)\) cannot be"),
    "a projection": (
        events(S),
        "(1, 'x')",
        events(S, projections=[COUNTS]),
        "the projection counts cannot be computed",
    ),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long) if "projection" in kind else kind for kind in BLOCKS]
)
def test_a_row_that_only_the_other_shard_has_blocks(place: Place, kind: str) -> None:
    """Through a host of either shard. Without the row it is done."""
    before, row, after, said = BLOCKS[kind]
    place.start(place.schema(1, [before]))
    insert(place, 0, "(2, '8')")
    insert(place, 3, row)
    shown, schema = place.shows(), place.schema(2, [after])
    for host in (0, 3):
        with pytest.raises(BlockedError, match=said):
            place.start(schema, host, DROPPED)
    assert place.shows() == shown
    place.cluster.hosts[2].q(f"ALTER TABLE {place.database}.events DELETE WHERE id = 1", mutations_sync=2)
    place.start(schema, 0, DROPPED)
    assert not planned(place, schema).steps


def test_what_merges_would_make_of_rows_is_counted_shard_by_shard(place: Place) -> None:
    """Two rows of one new key are combined where they are in one shard, and never where each has one of them."""

    def keyed(version: int, *order_by: str) -> Schema:
        engine = ReplacingMergeTree(order_by=list(order_by), replicated="")
        return place.schema(version, [Table("events", [ID, V], engine=engine)])

    place.start(keyed(1, "v", "id"))
    insert(place, 0, "(1, 1)")
    insert(place, 2, "(1, 2)")
    assert not [hazard for step in planned(place, keyed(2, "id")).steps for hazard in step.hazards if hazard.allow]
    insert(place, 3, "(1, 3)")
    with pytest.raises(SchemaVersionError, match=r"rows of 3 keys are combined to 2.*'change-sort-key events'"):
        place.start(keyed(2, "id"), 0, DROPPED)


def test_values_that_a_migration_would_change_are_found_on_the_other_shard(place: Place) -> None:
    """An expression is carried out by each shard over its rows. One that reads other rows would read those of its
    shard."""
    place.start(place.schema(1, [events(V)]))
    insert(place, 0, "(2, 8)")
    insert(place, 3, "(1, 200)")

    def filled(expression: str, kind: str = "UInt8") -> Schema:
        migration = Migration(2, rebuild={"events": Rebuild(columns={"v": expression})}, oldest_code=1)
        after = events(Column("v", kind))
        return Schema("shop", version=2, objects=[after], migrations=[migration], cluster=place.named)

    with pytest.raises(BlockedError, match=r"1 row gives a value of v = v \+ 100 that UInt8 cannot hold.*300"):
        place.start(filled("v + 100"), 0, DROPPED)
    with pytest.raises(BlockedError, match="reads other rows than the one that it fills"):
        place.start(filled("v + (SELECT max(v) FROM events)", "UInt64"), 0, DROPPED)
    place.start(filled("v + 10"), 0, DROPPED)
    hosts = place.cluster.hosts
    place.cluster.sync(f"{place.database}.events")
    assert [host.q(f"SELECT v FROM {place.database}.events") for host in hosts] == ["18", "18", "210", "210"]


def test_parts_of_the_other_shard_decide_as_on_one_host(place: Place) -> None:
    """Rows of parts that lack a column keep what they read, whatever the default is from now on. Parts with updates
    that are not applied cannot be taken over."""
    place.start(place.schema(1, [events()]))
    insert(place, 2, "(1)")
    w = Column("w", "UInt32", default="7")
    place.start(place.schema(2, [events(w)]))
    insert(place, 0, "(2, 3)")
    other = Column("w", "UInt32", default="8")
    report = place.start(place.schema(3, [events(other)]), 0, DROPPED)
    assert ["MATERIALIZE COLUMN" in sql for step in report.steps for sql in step.sql][:1] == [True]
    insert(place, 3, "(3, 5)")
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events (id) VALUES (4)")
    name, hosts = f"{place.database}.events", place.cluster.hosts
    place.cluster.sync(name)
    assert [host.q(f"SELECT groupArray((id, w)) FROM (SELECT * FROM {name} ORDER BY id)") for host in hosts[1:3]] == [
        "[(2,3),(4,8)]",
        "[(1,7),(3,5)]",
    ]


def test_a_shard_that_is_away_is_named(place: Place) -> None:
    """One of its hosts is enough."""
    place.start(place.schema(1, [events(V)]))
    insert(place, 0, "(2, 8)")
    insert(place, 3, "(1, 70000)")
    schema, hosts = place.schema(2, [events(Column("v", "UInt16"))]), place.cluster.hosts
    labels = [label_of(host) for host in hosts]
    hosts[2].kill()
    (step,) = planned(place, schema).steps
    assert "1 row" in step.blocked
    assert "70000" in step.blocked
    hosts[3].kill()
    (step,) = planned(place, schema).steps
    assert f"hosts {labels[2]}, {labels[3]} do not answer, and nobody knows which rows they have" in step.blocked
    for host in hosts[2:]:
        host.restart()
