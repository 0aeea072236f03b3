"""Defaults that give something else at every read, and defaults of columns that are kept although nobody declares them
any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError
from aaiclick.specs.engines import ReplacingMergeTree

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def schema(*columns: Column, engine: MergeTree | None = None) -> Schema:
    return Schema(
        "s", objects=[Table("t", [Column("id", "UInt64"), *columns], engine=engine or MergeTree(order_by=["id"]))]
    )


V = Column("v", "UInt32")


UUIDS = Column("d", "UUID", default="generateUUIDv4()")


@pytest.mark.parametrize(
    ("how", "column"),
    [
        ("in place", UUIDS),
        ("in place", Column("d", "DateTime64(6)", default="now64(6)")),
        ("in place", Column("d", "UInt64", default="generateSnowflakeID()")),
        ("in place", Column("d", "UInt32", materialized="rand()")),
        ("in place", Column("d", "String", default="concat('x', toString(rand()))")),
        ("attach", UUIDS),
        ("copy", UUIDS),
    ],
    ids=lambda value: value if isinstance(value, str) else value.default or value.materialized,
)
def test_a_default_that_changes_is_written_down(aaiclick_client: Client, how: str, column: Column) -> None:
    ensure_schema(aaiclick_client, schema(V))
    aaiclick_client.command("INSERT INTO t SELECT number, number FROM numbers(5)")
    engine = {
        "in place": MergeTree(order_by=["id"]),
        "attach": ReplacingMergeTree(order_by=["id"]),
        "copy": MergeTree(order_by=["v"]),
    }[how]
    after = schema(V, column, engine=engine)
    report = ensure_schema(aaiclick_client, after, policy=Policy.lossless().allow("change-engine t"))
    assert [step.strategy for step in report.steps] == [
        {"in place": "mutate", "attach": "attach", "copy": "rebuild"}[how]
    ]
    first, second = (aaiclick_client.query("SELECT id, toString(d) FROM t ORDER BY id").result_rows for _ in range(2))
    assert first == second
    assert len(first) == 5
    assert plan_schema(aaiclick_client, after).in_sync


def test_what_stays_the_same_needs_no_rows_written(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(V))
    empty = schema(V, UUIDS)
    assert [step.strategy for step in ensure_schema(aaiclick_client, empty, policy=Policy.safe()).steps] == ["alter"]
    aaiclick_client.command("INSERT INTO t (id, v) VALUES (1, 1)")
    more = schema(
        V,
        Column("d", "UUID", default="generateUUIDv4()"),
        Column("e", "String", default="lower(toString(v))"),
        Column("a", "UInt32", alias="rand()"),
    )
    assert [step.strategy for step in plan_schema(aaiclick_client, more).steps] == ["alter"]


def test_the_safe_policy_writes_nothing(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(V))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, schema(V, Column("d", "DateTime", default="now()")), policy=Policy.safe())


@pytest.mark.parametrize("kind", ["default", "materialized"])
def test_a_kept_column_that_would_refuse_null(aaiclick_client: Client, kind: str) -> None:
    kept = Column("d", "UInt32", default="v * 2") if kind == "default" else Column("d", "UInt32", materialized="v * 2")
    ensure_schema(aaiclick_client, schema(V, kept))
    aaiclick_client.command("INSERT INTO t (id, v) VALUES (1, 1)")
    after = schema(Column("v", "Nullable(UInt32)"))
    (asked,) = [hazard for hazard in plan_schema(aaiclick_client, after).steps[0].hazards if hazard.allow]
    assert asked.allow == "drop-column t.d"
    assert "INSERTs of NULL into v would be refused" in asked.message
    with pytest.raises(SchemaVersionError, match=r"--allow 'drop-column t\.d'"):
        ensure_schema(aaiclick_client, after)
    ensure_schema(aaiclick_client, after, policy=Policy.lossless().allow("drop-column t.d"))
    aaiclick_client.command("INSERT INTO t (id, v) VALUES (2, NULL)")
    assert aaiclick_client.query("SELECT * FROM t ORDER BY id").result_rows == [(1, 1), (2, None)]


@pytest.mark.parametrize(
    "kept",
    [
        Column("d", "Nullable(UInt32)", default="v * 2"),
        Column("d", "UInt32", default="ifNull(v, 0)"),
        Column("d", "UInt32", default="toUInt32(id)"),
    ],
)
def test_a_kept_column_that_does_not_asks_nothing(aaiclick_client: Client, kept: Column) -> None:
    ensure_schema(aaiclick_client, schema(V, kept))
    after = schema(Column("v", "Nullable(UInt32)"))
    ensure_schema(aaiclick_client, after)
    aaiclick_client.command("INSERT INTO t (id, v) VALUES (2, NULL)")
