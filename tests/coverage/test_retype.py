"""Types that change: what rows read that were never written, what merges combine, what is cut off."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import AggregatingMergeTree, Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError


def schema(*columns: Column) -> Schema:
    return Schema("types", objects=[Table("t", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"]))])


@pytest.mark.parametrize(
    ("old", "new", "read", "statements"),
    [
        ("UUID", "String", "00000000-0000-0000-0000-000000000000", 4),
        ("UInt64", "String", "0", 4),
        ("Date", "Date32", "1970-01-01", 4),
        ("UInt8", "UInt64", "0", 1),  # the same default on both sides: nothing has to be written down first
    ],
)
def test_rows_of_parts_that_lack_a_column_read_the_same_after_a_retype(
    aaiclick_client: Client, old: str, new: str, read: str, statements: int
) -> None:
    ensure_schema(aaiclick_client, schema())
    aaiclick_client.command("INSERT INTO t SELECT number FROM numbers(3)")
    ensure_schema(aaiclick_client, schema(Column("c", old)))
    plan = plan_schema(aaiclick_client, schema(Column("c", new)))
    assert [len(step.sql) for step in plan.steps] == [statements]
    ensure_schema(aaiclick_client, schema(Column("c", new)), policy=Policy.lossless())
    assert aaiclick_client.query("SELECT toString(c), count() FROM t GROUP BY 1").result_rows == [(read, 3)]
    assert plan_schema(aaiclick_client, schema(Column("c", new))).steps == ()


def test_another_function_by_which_merges_combine_is_allowed_by_name_only(aaiclick_client: Client) -> None:
    def combined(function: str, engine: MergeTree) -> Schema:
        columns = [Column("id", "UInt64"), Column("c", f"SimpleAggregateFunction({function}, UInt64)")]
        return Schema("types", objects=[Table("t", columns, engine=engine)])

    aggregating = AggregatingMergeTree(order_by=["id"])
    ensure_schema(aaiclick_client, combined("sum", aggregating))
    with pytest.raises(SchemaVersionError, match=r"--allow 'retype t\.c'"):
        ensure_schema(aaiclick_client, combined("max", aggregating), policy=Policy.lossless())
    plan = plan_schema(aaiclick_client, combined("max", aggregating))
    assert "merges combine t.c by max, no longer by sum" in [hazard.message for hazard in plan.hazards]


@pytest.mark.parametrize(("width", "fits"), [(16, True), (5, True), (4, False)])
def test_a_fixed_string_is_cut_only_where_nothing_but_padding_goes(
    aaiclick_client: Client, width: int, fits: bool
) -> None:
    ensure_schema(aaiclick_client, schema(Column("c", "FixedString(8)")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'abcde'), (2, ''), (3, 'abc')")
    wanted = schema(Column("c", f"FixedString({width})"))
    if not fits:
        with pytest.raises(BlockedError, match="1 row holds a value of c that FixedString"):
            ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
        return
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert aaiclick_client.query("SELECT toStringCutToZero(c) FROM t ORDER BY id").result_rows == [
        ("abcde",),
        ("",),
        ("abc",),
    ]


@pytest.mark.parametrize(("setting", "names"), [({}, ["id", "n.x", "n.y"]), ({"flatten_nested": 0}, ["id", "n"])])
def test_a_nested_column_is_taken_apart_unless_the_table_says_otherwise(
    aaiclick_client: Client, setting: dict[str, int], names: list[str]
) -> None:
    def nested(*more: Column) -> Schema:
        columns = [Column("id", "UInt64"), Column("n", "Nested(x UInt8, y String)"), *more]
        return Schema("types", objects=[Table("t", columns, engine=MergeTree(order_by=["id"], settings=dict(setting)))])

    ensure_schema(aaiclick_client, nested())
    assert [
        row[0]
        for row in aaiclick_client.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 't'"
        ).result_rows
    ] == names
    assert plan_schema(aaiclick_client, nested()).steps == ()
    report = ensure_schema(aaiclick_client, nested(Column("m", "Nested(z UInt8)")), policy=Policy.safe())
    assert [step.strategy for step in report.steps] == ["alter"]
    assert plan_schema(aaiclick_client, nested(Column("m", "Nested(z UInt8)"))).steps == ()
