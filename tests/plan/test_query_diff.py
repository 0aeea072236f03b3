"""The plan of a view whose query changes shows the lines that differ."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

from aaiclick import Column, MaterializedView, MergeTree, Plan, Schema, Table, View, ensure_schema, plan_schema


def schema(version: int, measure: str) -> Schema:
    query = f"SELECT kind, {measure} AS n FROM events WHERE id > 0 GROUP BY kind"
    return Schema(
        "app",
        version=version,
        objects=[
            Table("events", [Column("id", "UInt64"), Column("kind", "String")], engine=MergeTree(order_by=["id"])),
            Table("sums", [Column("kind", "String"), Column("n", "UInt64")], engine=MergeTree(order_by=["kind"])),
            View("shown", query=query),
            MaterializedView("kept", query=query, to="sums"),
        ],
    )


def test_views_show_what_differs_in_their_query(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, "count()"))
    plan = plan_schema(aaiclick_client, schema(2, "sum(id)"))
    differs = ("-    count() AS n", "+    sum(id) AS n")
    assert {step.object for step in plan.steps if set(differs) <= set(step.diff)} == {"shown", "kept"}
    for line in differs:
        assert f"--   | {line}\n" in str(plan)
    assert Plan.from_json(plan.to_json()) == plan


def test_other_steps_have_none(aaiclick_client: Client) -> None:
    assert [step.diff for step in plan_schema(aaiclick_client, schema(1, "count()")).steps] == [()] * 4
