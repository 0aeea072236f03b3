"""Defaults that the engine reads in two ways are written first only where a change comes near them."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema


@pytest.fixture
def grown(aaiclick_client: Client) -> Client:
    """A table whose first part lacks two columns, one of which reads the other."""
    aaiclick_client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    aaiclick_client.command("ALTER TABLE t ADD COLUMN n UInt64, ADD COLUMN m UInt64 DEFAULT bitNot(n)")
    return aaiclick_client


def declared(expression: str, comment: str) -> Schema:
    columns = [Column("k", "UInt64"), Column("n", "UInt64"), Column("m", "UInt64", default=expression)]
    return Schema("s", objects=[Table("t", columns, engine=MergeTree(order_by=["k"]), comment=comment)])


def test_another_change_of_the_table_reads_no_rows(grown: Client) -> None:
    report = ensure_schema(grown, declared("bitNot(n)", "numbers"), policy=Policy.safe())
    assert [(step.object, step.strategy) for step in report.steps] == [("t", "alter")]
    (step,) = plan_schema(grown, declared("bitNot(n) - 1", "numbers")).required
    assert step.strategy == "mutate"
    assert "values of m are written" in step.change
