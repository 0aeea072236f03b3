"""A projection that older parts lack: the server never merges them with later ones, so where merges combine rows it is
asked for by name, and filled."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    AggregatingMergeTree,
    Column,
    Index,
    MergeTree,
    Policy,
    Projection,
    ReplacingMergeTree,
    SummingMergeTree,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import SchemaVersionError
from tests.plan.migrating import migrate, rows, schema

REBUILT = {"deduplicate_merge_projection_mode": "rebuild"}
COUNTED = Projection("p", "SELECT v, count() GROUP BY v")
ENGINES = {
    "Replacing": (ReplacingMergeTree(order_by=["k"], settings=REBUILT), "UInt64"),
    "Summing": (SummingMergeTree(order_by=["k"], settings=REBUILT), "UInt64"),
    "Aggregating": (AggregatingMergeTree(order_by=["k"], settings=REBUILT), "SimpleAggregateFunction(max, UInt64)"),
}


def table(engine: object, kind: str = "UInt64", *projections: Projection, **more: object) -> Table:
    columns = [Column("k", "UInt64"), Column("v", kind)]
    return Table("t", columns, engine=engine, projections=list(projections), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_rows_that_merges_combine_are_asked_for_and_combined(aaiclick_client: Client, engine: str) -> None:
    chosen, kind = ENGINES[engine]
    ensure_schema(aaiclick_client, schema(table(chosen, kind)))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    wanted = schema(table(chosen, kind, COUNTED))
    for policy in (Policy.safe(), Policy.lossless()):
        with pytest.raises(SchemaVersionError, match="does not combine rows that are there with later rows of t"):
            ensure_schema(aaiclick_client, wanted, policy=policy)
    assert migrate(aaiclick_client, wanted, "materialize t.p") == [("t", "alter"), ("t", "mutate")]
    aaiclick_client.command("INSERT INTO t VALUES (1, 2)")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL SETTINGS optimize_throw_if_noop = 1")
    assert rows(aaiclick_client, "SELECT k, v FROM t") == [(1, 3 if engine == "Summing" else 2)]


def test_a_table_that_keeps_every_row_is_only_told(aaiclick_client: Client) -> None:
    engine = MergeTree(order_by=["k"])
    ensure_schema(aaiclick_client, schema(table(engine)))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    wanted = schema(table(engine, "UInt64", COUNTED))
    plan = plan_schema(aaiclick_client, wanted)
    assert "it merges no part without it with one that has it" in str(plan)
    assert [each.strategy for each in ensure_schema(aaiclick_client, wanted, policy=Policy.safe()).steps] == ["alter"]


def test_an_index_keeps_no_parts_apart(aaiclick_client: Client) -> None:
    engine = ReplacingMergeTree(order_by=["k"])
    ensure_schema(aaiclick_client, schema(table(engine)))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    wanted = schema(table(engine, indexes=[Index("i", expr="v", type="minmax")]))
    ensure_schema(aaiclick_client, wanted, policy=Policy.safe())
    aaiclick_client.command("INSERT INTO t VALUES (1, 2)")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL SETTINGS optimize_throw_if_noop = 1")
    assert rows(aaiclick_client, "SELECT k, v FROM t") == [(1, 2)]


def test_an_empty_table_has_no_part_that_lacks_it(aaiclick_client: Client) -> None:
    chosen, kind = ENGINES["Replacing"]
    ensure_schema(aaiclick_client, schema(table(chosen, kind)))
    ensure_schema(aaiclick_client, schema(table(chosen, kind, COUNTED)), policy=Policy.safe())
