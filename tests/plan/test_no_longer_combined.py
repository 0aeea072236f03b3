"""An engine that combines rows becomes one that keeps every row: what FINAL leaves out is asked for by name."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError

COLUMNS = "k UInt32, v UInt8, d Int8"
ALLOWED = Policy.lossless().allow("change-engine t")
LEFT_OUT = {
    # What is still to be combined, by engine: rows as they were written, and how many of them FINAL leaves out.
    "ReplacingMergeTree(v)": (["(1, 1, 0)", "(1, 2, 0), (2, 1, 0)"], 1),
    "SummingMergeTree": (["(1, 1, 0)", "(1, 2, 0), (2, 0, 0)"], 2),
    "CollapsingMergeTree(d)": (["(1, 1, 1)", "(1, 1, -1), (2, 1, 1)"], 2),
    "CoalescingMergeTree": (["(1, 1, 0)", "(1, 2, 0)"], 1),
}


def schema(engine: str, version: int) -> Schema:
    return Schema(
        "s", version=version, objects=[Table.from_sql(f"CREATE TABLE t ({COLUMNS}) ENGINE = {engine} ORDER BY k")]
    )


@pytest.mark.parametrize("engine", LEFT_OUT)
def test_rows_that_final_leaves_out_are_asked_for(aaiclick_client: Client, engine: str) -> None:
    """They are all there behind it, as a direct copy has them."""
    parts, left_out = LEFT_OUT[engine]
    ensure_schema(aaiclick_client, schema(engine, 1))
    for part in parts:
        aaiclick_client.command(f"INSERT INTO t SETTINGS optimize_on_insert = 0 VALUES {part}")
    rows = aaiclick_client.query("SELECT * FROM t ORDER BY ALL").result_rows
    name = engine.partition("(")[0]
    said = f"MergeTree combines no rows: {left_out} rows? of t that FINAL leaves out, because {name} has still to"
    with pytest.raises(SchemaVersionError, match=said):
        ensure_schema(aaiclick_client, schema("MergeTree", 2), policy=Policy.lossless())
    ensure_schema(aaiclick_client, schema("MergeTree", 2), policy=ALLOWED)
    assert aaiclick_client.query("SELECT * FROM t ORDER BY ALL").result_rows == rows


@pytest.mark.parametrize("engine", LEFT_OUT)
def test_where_all_is_combined_nothing_is_asked(aaiclick_client: Client, engine: str) -> None:
    """Only that queries with FINAL fail is said."""
    ensure_schema(aaiclick_client, schema(engine, 1))
    for part in LEFT_OUT[engine][0]:
        aaiclick_client.command(f"INSERT INTO t SETTINGS optimize_on_insert = 0 VALUES {part}")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    (step,) = plan_schema(aaiclick_client, schema("MergeTree", 2)).steps
    assert [hazard.message for hazard in step.hazards if hazard.kind == "old-code-breaks"] == [
        "queries of t with FINAL fail: MergeTree has none (error 181)"
    ]
    ensure_schema(aaiclick_client, schema("MergeTree", 2), policy=Policy.lossless())


def test_without_reading_rows_it_is_open(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema("ReplacingMergeTree(v)", 1))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1, 0)")
    (step,) = plan_schema(aaiclick_client, schema("MergeTree", 2), quick=True).steps
    assert "which rows merges combine" in step.unlooked
