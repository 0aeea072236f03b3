"""Every kind of object on clusters: made, changed and dropped on all hosts."""

from __future__ import annotations

import pytest

from aaiclick import (
    Column,
    Dictionary,
    Engine,
    MaterializedView,
    MergeTree,
    ReplacingMergeTree,
    Schema,
    SummingMergeTree,
    Table,
    View,
    plan_schema,
)
from aaiclick.clients.opening import open_url
from aaiclick.plan.server_objects.collections import plan_collections
from aaiclick.routine import run
from aaiclick.server_objects import Database, NamedCollection
from aaiclick.specs.functions import Function
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import Place, events, place_on


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


PLACES = [
    pytest.param((2, 2, "queue"), id="2x2-queue"),
    pytest.param((1, 2, "database"), id="1x2-database", marks=pytest.mark.long),
]


def everything(place: Place, version: int, *more: Column) -> Schema:
    """A table of each shard with the Distributed one over it, a view that fills another table, what reads them, a
    function and a named collection of the whole server and the comment of the database."""
    name = f"factor_{place.database}"
    cluster = place.cluster.name if place.named else place.database
    columns = [Column("id", "UInt64"), Column("v", "UInt64"), *more]
    totals = SummingMergeTree(order_by=["id"], replicated="")
    return place.schema(
        version,
        [
            Database(comment=f"at {version}"),
            NamedCollection(f"outside_{place.database}", dict.fromkeys(["url", "format"][:version], "hush")),
            Function(name, f"x -> x * {version}"),
            events(*columns[1:]),
            Table(
                "events_all", columns, engine=Engine("Distributed", f"'{cluster}', '{place.database}', 'events', id")
            ),
            Table("totals", [Column("id", "UInt64"), Column("v", "UInt64")], engine=totals),
            MaterializedView("fill", query="SELECT id, v FROM events", to="totals"),
            View("seen", query=f"SELECT id, {name}(v) AS w, {version} AS at FROM events_all"),
            Dictionary(
                "names",
                columns=[Column("id", "UInt64"), Column("v", "UInt64", default="0")],
                primary_key=["id"],
                source=f"CLICKHOUSE(DB '{place.database}' TABLE 'totals')",
                layout="FLAT()" if version == 1 else "HASHED()",
                lifetime="0",
            ),
        ],
    )


@pytest.mark.parametrize(
    "place", [pytest.param((1, 2, "queue"), id="queue"), pytest.param((1, 2, "database"), id="database")], indirect=True
)
def test_a_view_that_every_host_would_refresh_is_refused(place: Place) -> None:
    """A Replicated database has one host refresh for all."""

    def blocked(refresh: str, engine: MergeTree) -> str:
        target = Table("totals", [Column("id", "UInt64")], engine=engine)
        view = MaterializedView("fill", query="SELECT 1 AS id", to="totals", refresh=refresh)
        url = place.cluster.hosts[0].database_url(place.database)
        (step,) = (step for step in plan_schema(url, place.schema(1, [target, view])).steps if step.object == "fill")
        return step.blocked

    plain, last = MergeTree(order_by=["id"], replicated=""), ReplacingMergeTree(order_by=["id"], replicated="")
    said = [blocked("EVERY 1 HOUR", plain), blocked("EVERY 1 HOUR APPEND", plain), blocked("EVERY 1 HOUR APPEND", last)]
    assert [bool(words) for words in said] == ([True, True, False] if place.named else [False] * 3)
    if place.named:
        assert "a refresh replaces totals on one host" in said[0]
        assert "totals would get every row from each of them" in said[1]


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_every_kind_of_object(place: Place) -> None:
    collection = f"outside_{place.database}"
    first, last = place.cluster.hosts[0], place.cluster.hosts[-1]
    connection = open_url(first.database_url("", "tables_only", "secret"))
    (blocked,) = run(plan_collections(everything(place, 1), (), ()), connection).steps
    assert blocked.blocked.startswith(f"this user may not see it: GRANT SHOW NAMED COLLECTIONS ON `{collection}`")
    connection.close()
    place.start(everything(place, 1))
    for host in place.cluster.hosts[:: place.cluster.replicas]:
        share = 100 // place.cluster.shards
        host.q(f"INSERT INTO {place.database}.events (id, v) SELECT number, 1 FROM numbers({share})")
    place.cluster.sync(f"{place.database}.events")
    allowed = (
        f"change-function factor_{place.database}",
        f"change-collection {collection}",
        "replace-table events_all",
    )
    place.settle(everything(place, 2, Column("note", "String")), *allowed, host=len(place.cluster.hosts) - 1)
    for host in (first, last):
        assert host.rows(f"SELECT count(), sum(w), any(at) FROM {place.database}.seen") == [[100, 200, 2]]
        assert host.one(f"SELECT count() FROM {place.database}.events_all WHERE note = ''") == 100
    assert place.cluster.same(f"SELECT comment FROM system.databases WHERE name = '{place.database}'") == [["at 2"]]
    listed = (
        f"SELECT arrayStringConcat(mapKeys(collection), ' ') FROM system.named_collections WHERE name = '{collection}'"
    )
    assert sorted(str(place.cluster.same(listed)[0][0]).split()) == ["format", "url"]
    functions = f"SELECT create_query FROM system.functions WHERE name = 'factor_{place.database}'"
    try:
        assert "x * 2" in place.cluster.same(functions)[0][0]
    finally:
        place.cluster.everywhere(f"DROP FUNCTION IF EXISTS factor_{place.database}")
        place.cluster.everywhere(f"DROP NAMED COLLECTION IF EXISTS {collection}")
