"""``lossless`` keeps every value: what a conversion takes and does not give back is blocked, or allowed by name
only."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Migration,
    Policy,
    Rebuild,
    ReplacingMergeTree,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.sql.quoting import quote_string


def schema(version: int, column: Column, engine: MergeTree | None = None) -> Schema:
    return Schema(
        "kept",
        version=version,
        objects=[Table("t", [Column("id", "UInt64"), column], engine=engine or MergeTree(order_by=["id"]))],
    )


def shown(client: Client) -> object:
    return client.query("SELECT id, toString(c) FROM t ORDER BY id").result_rows


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("UInt64", "Int64", "18446744073709551615"),
        ("Int32", "UInt64", "-1"),
        ("Nullable(UInt8)", "Nullable(Int8)", "200"),
        ("Array(UInt8)", "Array(Int8)", "[100, 200]"),
        ("Map(String, UInt8)", "Map(String, Int8)", "{'a': 200}"),
        ("Tuple(a UInt8, b String)", "Tuple(b String, a Int8)", "(200, 'x')"),
        ("UInt256", "Int256", "115792089237316195423570985008687907853269984665640564039457584007913129639935"),
        ("DateTime('UTC')", "Int32", "'2106-02-07 06:28:15'"),
        ("SimpleAggregateFunction(sum, UInt64)", "SimpleAggregateFunction(sum, Int64)", "18446744073709551615"),
        ("Array(Enum8('a' = 1))", "Array(Enum8('z' = 2))", "['a']"),
        ("Tuple(x Enum8('a' = 1))", "Tuple(x Enum8('z' = 2))", "tuple('a')"),
    ],
)
def test_a_value_that_would_become_another_blocks(aaiclick_client: Client, old: str, new: str, value: str) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", old)))
    aaiclick_client.command(f"INSERT INTO t VALUES (1, {value})")
    before = shown(aaiclick_client)
    with pytest.raises(BlockedError, match=r"1 row holds a value of c that .* cannot hold"):
        ensure_schema(aaiclick_client, schema(2, Column("c", new)), policy=Policy.everything())
    assert shown(aaiclick_client) == before


@pytest.mark.parametrize(
    ("new", "lost", "kept"),
    [
        ("UInt32", "007", "7"),
        ("Decimal(18, 2)", "1.239", "1.20"),
        ("Date", "1950-01-01", "2020-01-01"),
        ("DateTime('UTC')", "2020-01-01 00:00:00.5", "2020-01-01T00:00:00"),
        ("DateTime64(3, 'UTC')", "2020-01-01 00:00:00.1234", "2020-01-01 00:00:00.1"),
        ("Float64", "1e400", "-0.50"),
    ],
)
def test_a_text_that_does_not_come_back_is_allowed_by_name_only(
    aaiclick_client: Client, new: str, lost: str, kept: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", "Nullable(String)")))
    aaiclick_client.command(f"INSERT INTO t VALUES (1, '{kept}'), (2, NULL), (3, '{lost}')")
    wanted = schema(2, Column("c", f"Nullable({new})"))
    message = f"1 row holds a value of c that reads differently as Nullable({new}), for instance ('{lost}')"
    assert message in [hazard.message for hazard in plan_schema(aaiclick_client, wanted).hazards]
    with pytest.raises(SchemaVersionError, match=r"--allow 'retype t\.c'"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    aaiclick_client.command("ALTER TABLE t DELETE WHERE id = 3 SETTINGS mutations_sync = 2")
    assert [step.strategy for step in ensure_schema(aaiclick_client, wanted, policy=Policy.lossless()).steps] == [
        "mutate"
    ]


def test_zero_bytes_that_a_string_does_not_keep_are_a_hazard(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", "FixedString(4)")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'abcd'), (2, 'ab')")
    with pytest.raises(SchemaVersionError, match=r"--allow 'retype t\.c'"):
        ensure_schema(aaiclick_client, schema(2, Column("c", "String")), policy=Policy.lossless())
    aaiclick_client.command("ALTER TABLE t DELETE WHERE id = 2 SETTINGS mutations_sync = 2")
    ensure_schema(aaiclick_client, schema(2, Column("c", "String")), policy=Policy.lossless())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Column("c", "Int64"), Column("c", "String", alias="'x'")),
        (Column("c", "Int64", alias="toInt64(id) * 3"), Column("c", "Int64", materialized="7")),
        (Column("c", "Int64", alias="toInt64(id) * 3"), Column("c", "Int64", ephemeral="7")),
    ],
)
def test_what_is_stored_no_longer_or_computed_in_another_way_is_allowed_by_name_only(
    aaiclick_client: Client, old: Column, new: Column
) -> None:
    ensure_schema(aaiclick_client, schema(1, old))
    aaiclick_client.command("INSERT INTO t (id) VALUES (1)")
    for policy in (Policy.safe(), Policy.lossless()):
        with pytest.raises(SchemaVersionError, match=r"--allow 'change-default t\.c'"):
            ensure_schema(aaiclick_client, schema(2, new), policy=policy)


@pytest.mark.parametrize(
    "new",
    [Column("c", "Int64", default="7"), Column("c", "Int64"), Column("c", "String")],
    ids=lambda column: str(column.type),
)
def test_an_alias_that_is_stored_keeps_what_its_rows_read(aaiclick_client: Client, new: Column) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", "Int64", alias="toInt64(id) * 3")))
    aaiclick_client.command("INSERT INTO t (id) VALUES (1)")
    with pytest.raises(SchemaVersionError):  # no row is looked at under it
        ensure_schema(aaiclick_client, schema(2, new), policy=Policy.safe())
    ensure_schema(aaiclick_client, schema(2, new), policy=Policy.lossless())
    assert [str(value) for (value,) in aaiclick_client.query("SELECT c FROM t").result_rows] == ["3"]


def test_partitions_whose_rows_would_be_combined_are_allowed_by_name_only(aaiclick_client: Client) -> None:
    def table(version: int, partition_by: str | None) -> Schema:
        return schema(version, Column("c", "UInt64"), ReplacingMergeTree(order_by=["id"], partition_by=partition_by))

    ensure_schema(aaiclick_client, table(1, None))
    assert [
        step.strategy for step in ensure_schema(aaiclick_client, table(2, "c % 2"), policy=Policy.lossless()).steps
    ] == ["rebuild"]
    aaiclick_client.command("INSERT INTO t VALUES (1, 1), (1, 2)")
    with pytest.raises(SchemaVersionError, match="--allow 'change-partition-key t'"):
        ensure_schema(aaiclick_client, table(3, None), policy=Policy.lossless())


@pytest.mark.parametrize(
    ("old", "new", "value", "becomes"),
    [
        ("Float32", "Decimal(38, 10)", "255", "254.9999992832"),
        ("Float64", "Int64", "-0.", "0"),
        ("Array(FixedString(4))", "Array(String)", "['ab']", "['ab']"),
        ("String", "Bool", "'yes'", "true"),
        ("String", "JSON", """'{"a":null,"b":1}'""", '{"b":1}'),
        ("String", "Variant(String, UInt64)", "'007'", "7"),
        ("String", "Tuple(UInt8, String)", r"'(300,\'x\')'", "(44,'x')"),
        ("JSON", "JSON(a UInt32)", """'{"b":1}'""", '{"a":0,"b":1}'),
        ("Tuple(a UInt8, b String)", "Tuple(a UInt8)", "(1, 'x')", "(1)"),
        ("DateTime('Europe/Berlin')", "String", "1603593000", "2020-10-25 02:30:00"),
    ],
)
def test_a_value_that_becomes_another_is_counted_and_allowed_by_name(
    aaiclick_client: Client, old: str, new: str, value: str, becomes: str
) -> None:
    if old.startswith("DateTime"):
        value, becomes = (
            "1603587600",
            "2020-10-25 02:00:00",
        )  # two o'clock in summer; an hour later it is two o'clock again
    ensure_schema(aaiclick_client, schema(1, Column("c", old)))
    aaiclick_client.command(f"INSERT INTO t SELECT 1, CAST({value}, {quote_string(old)})")
    if old.startswith("DateTime"):
        aaiclick_client.command("INSERT INTO t SELECT 2, toDateTime(1603591200, 'Europe/Berlin')")
    before = shown(aaiclick_client)
    wanted = schema(2, Column("c", new))
    assert "1 row holds a value of c that reads differently" in str(plan_schema(aaiclick_client, wanted))
    with pytest.raises(SchemaVersionError):  # no row is looked at under it
        ensure_schema(aaiclick_client, wanted, policy=Policy.safe())
    with pytest.raises(SchemaVersionError, match=r"--allow 'retype t\.c'"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    assert shown(aaiclick_client) == before
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("retype t.c"))
    assert aaiclick_client.query("SELECT toString(c) FROM t WHERE id = 1").result_rows == [(becomes,)]


@pytest.mark.parametrize("new", ["String", "UInt64"])
@pytest.mark.parametrize("old", ["Variant(String, UInt64)", "Dynamic"])
def test_null_in_a_variant_or_dynamic_blocks_a_type_that_takes_none(
    aaiclick_client: Client, old: str, new: str
) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", old)))
    aaiclick_client.command("INSERT INTO t SELECT 1, NULL")
    with pytest.raises(
        BlockedError, match=r"1 row holds NULL in c.* a migration's expression can fill them: Rebuild\(columns="
    ):
        ensure_schema(aaiclick_client, schema(2, Column("c", new)), policy=Policy.everything())


def test_a_migration_fills_null_where_a_text_becomes_not_null(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", "Nullable(String)")))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    wanted = schema(2, Column("c", "String"))
    with pytest.raises(BlockedError, match="1 row holds NULL in c"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    filled = Migration(version=2, title="no NULL", rebuild={"t": Rebuild(columns={"c": "ifNull(`c`, '')"})})
    ensure_schema(aaiclick_client, wanted.model_copy(update={"migrations": [filled]}), policy=Policy.lossless())
    assert shown(aaiclick_client) == [(1, "a"), (2, "")]


@pytest.mark.parametrize(
    ("new", "strategy"),
    [("Map(String, Enum8('x' = 1, 'b' = 2))", "mutate"), ("Map(String, Enum8('x' = 1, 'c' = 2, 'b' = 3))", "rebuild")],
)
def test_a_relabelling_goes_by_number_in_place_as_in_a_copy(aaiclick_client: Client, new: str, strategy: str) -> None:
    ensure_schema(aaiclick_client, schema(1, Column("c", "Map(String, Enum8('a' = 1, 'b' = 2))")))
    aaiclick_client.command("INSERT INTO t VALUES (1, {'k': 'a', 'l': 'b'})")
    wanted = schema(2, Column("c", new))
    with pytest.raises(SchemaVersionError, match=r"--allow 'relabel-enum t\.c'"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    report = ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("relabel-enum t.c"))
    assert [step.strategy for step in report.steps] == [strategy]
    assert shown(aaiclick_client) == [(1, "{'k':'x','l':'b'}")]
