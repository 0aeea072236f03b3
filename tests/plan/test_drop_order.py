"""Columns that are dropped together with those that read them: what reads goes first, and alone only what nobody
reads."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Table, ensure_schema, plan_schema
from aaiclick.plan.model import Step
from tests.plan.migrating import migrate, rows, schema

ID = Column("id", "UInt64")
READ = [ID, Column("a", "Int32"), Column("b", "Int64", default="a + 1")]


def table(*columns: Column) -> Table:
    return Table("t", list(columns), engine=MergeTree(order_by=["id"]))


def made(client: Client, *columns: Column) -> None:
    migrate(client, schema(table(*columns)))
    client.command("INSERT INTO t (id, a) VALUES (1, 2)")


def drops(client: Client, *columns: Column) -> dict[str, Step]:
    return {step.id.rpartition(":")[2]: step for step in plan_schema(client, schema(table(*columns))).steps}


def test_a_column_that_another_one_reads_is_dropped_only_together_with_it(aaiclick_client: Client) -> None:
    made(aaiclick_client, *READ)
    wanted = schema(table(ID))
    report = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-column t.a"))
    assert (report.steps, rows(aaiclick_client, "SELECT id, a, b FROM t")) == ((), [(1, 2, 3)])
    assert list(drops(aaiclick_client, ID)) == ["b", "a"]
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-column t.a", "drop-column t.b"))
    assert rows(aaiclick_client, "SELECT * FROM t") == [(1,)]


def test_a_column_stays_where_what_reads_it_cannot_be_dropped(aaiclick_client: Client) -> None:
    made(aaiclick_client, *READ)
    aaiclick_client.command("CREATE TABLE s (id UInt64, b Int64) ENGINE = MergeTree ORDER BY id")
    aaiclick_client.command("CREATE MATERIALIZED VIEW w TO t AS SELECT id, b FROM s")
    found = drops(aaiclick_client, ID)
    assert found["b"].blocked == "the materialized view w writes b"
    assert found["a"].blocked == f"b reads it and stays: {found['b'].blocked}"


def test_a_name_of_a_lambda_is_no_column_that_is_read(aaiclick_client: Client) -> None:
    other = Column("b", "Array(Int64)", default="arrayMap(a -> a + 1, [1])")
    made(aaiclick_client, ID, Column("a", "Int32"), other)
    wanted = schema(table(ID))
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("drop-column t.a"))
    assert rows(aaiclick_client, "SELECT id, b FROM t") == [(1, [2])]
