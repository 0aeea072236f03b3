"""Stored columns that are stored no longer, where an ALTER would leave them in old parts with an effect: one that becomes
EPHEMERAL (the server ends no mutation that writes a part in one file anew), and an array of a Nested that becomes an
ALIAS (its sizes are those of each array of that Nested which a part lacks)."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema

PARTS = {"compact": "1000000", "wide": "0"}


def schema(version: int, parts: str) -> Schema:
    columns = [Column("id", "UInt64"), Column("n", "UInt8")]
    if version == 1:
        columns += [Column("a", "String"), Column("gone", "UInt8")]
    else:
        columns += [Column("a", "String", ephemeral="'x'")]
    engine = MergeTree(order_by=["id"], settings={"min_bytes_for_wide_part": int(PARTS[parts])})
    return Schema("shop", version=version, objects=[Table("t", columns, engine=engine)])


@pytest.mark.parametrize("parts", PARTS)
def test_another_column_goes_at_the_same_time_and_mutations_end(aaiclick_client: Client, parts: str) -> None:
    ensure_schema(aaiclick_client, schema(1, parts))
    aaiclick_client.command("INSERT INTO t VALUES (1, 2, 'a', 3)")
    policy = Policy.lossless().allow("change-default t.a", "drop-column t.gone")
    report = ensure_schema(aaiclick_client, schema(2, parts), policy=policy)
    assert "rebuild" in [step.strategy for step in report.steps]
    aaiclick_client.command("ALTER TABLE t UPDATE n = 9 WHERE id = 1 SETTINGS mutations_sync = 2")
    assert list(aaiclick_client.query("SELECT * FROM t").result_rows) == [(1, 9)]
    assert ensure_schema(aaiclick_client, schema(2, parts)).in_sync


def test_the_sizes_of_an_array_that_is_an_alias_now_are_no_sizes_of_a_new_one(aaiclick_client: Client) -> None:
    def nested(*columns: Column) -> Schema:
        table = Table("t", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"]))
        return Schema("shop", version=None, objects=[table])

    ensure_schema(aaiclick_client, nested(Column("m.b", "Array(UInt8)")))
    aaiclick_client.command("INSERT INTO t VALUES (1, [7, 8])")
    new = nested(Column("m.d", "Array(UInt8)"), Column("m.b", "Array(UInt8)", alias="`m.d`"))
    ensure_schema(aaiclick_client, new, policy=Policy.lossless().allow("change-default t.m.b"))
    assert list(aaiclick_client.query("SELECT `m.d`, `m.b` FROM t").result_rows) == [([], [])]


@pytest.mark.parametrize(
    ("column", "order", "goes"),
    [
        (Column("a", "String", alias="'x'"), "id", "merge"),
        (Column("a", "String", alias="'x'"), "n", "copy"),
        (Column("a", "String", ephemeral="'x'"), "id", "copy"),
        (Column("a", "UInt8", ephemeral="1"), "id", "copy"),
    ],
)
def test_the_plan_says_with_what_the_values_go(aaiclick_client: Client, column: Column, order: str, goes: str) -> None:
    def held(a: Column, key: str) -> Schema:
        columns = [Column("id", "UInt64"), Column("n", "UInt8"), a]
        return Schema("shop", version=None, objects=[Table("t", columns, engine=MergeTree(order_by=[key]))])

    ensure_schema(aaiclick_client, held(Column("a", "String"), "id"))
    (step,) = plan_schema(aaiclick_client, held(column, order)).required
    said = [hazard.message for hazard in step.hazards if hazard.allow == "change-default t.a"]
    which = "the next merge" if goes == "merge" else "the copy"
    assert said == [f"the stored values of t.a are no longer read, and go with {which}"]
