"""Fills of older rows that no mutation of the server can carry out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Constraint, Policy, Projection, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError
from aaiclick.specs.engines import MergeTree
from aaiclick.testing.engine import EmbeddedEngine

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


CHECK = Constraint("c", check="k > 0")
SETTINGS = ("allow_suspicious_low_cardinality_types", "allow_suspicious_variant_types")


@pytest.mark.parametrize(
    ("kind", "runs"),
    [("LowCardinality(UInt8)", False), ("LowCardinality(String)", True), ("Variant(UInt16, UInt8)", False)],
)
def test_a_fill_that_fails_in_the_background_is_blocked(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client, aaiclick_database: str, kind: str, runs: bool
) -> None:
    alias = f"CAST(CAST(1, '{'String' if 'String' in kind else 'UInt8'}'), '{kind}')"
    aaiclick_engine.command(
        f"SET {' = 1, '.join(SETTINGS)} = 1; CREATE TABLE {aaiclick_database}.t (k UInt8, v {kind} ALIAS {alias}, "
        "CONSTRAINT c CHECK k > 0) ENGINE = MergeTree ORDER BY k"
    )
    aaiclick_engine.command(f"SET {' = DEFAULT, '.join(SETTINGS)} = DEFAULT")
    aaiclick_client.command("INSERT INTO t SELECT number + 1 FROM numbers(10)")
    columns = [Column("k", "UInt8"), Column("v", kind, alias=alias)]
    projection = Projection("p", "SELECT k, count() GROUP BY k")
    table = Table("t", columns, engine=MergeTree(order_by=["k"]), projections=[projection], constraints=[CHECK])
    schema, policy = Schema("s", version=None, objects=[table]), Policy.safe().allow("materialize t.p")
    (fill,) = [step for step in plan_schema(aaiclick_client, schema).steps if step.optional]
    assert bool(fill.blocked) is not runs
    if runs:
        ensure_schema(aaiclick_client, schema, policy=policy.allow("retype t.v"))
    else:
        assert fill.blocked.startswith("no mutation runs on t: ")
        with pytest.raises(BlockedError, match="no mutation runs on t"):
            ensure_schema(aaiclick_client, schema, policy=policy)
    unfinished = "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done"
    assert aaiclick_client.query(unfinished).result_rows == [(0,)]
