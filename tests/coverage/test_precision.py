"""What a type holds with fewer digits is counted and asked for by name, in place and in a copy the same; what it does
not reach blocks."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError, SchemaVersionError
from aaiclick.sql.quoting import quote_string

ALLOWED = Policy.lossless().allow("retype t.c")


def schema(version: int, kind: str, order_by: str = "id") -> Schema:
    return Schema(
        "kept",
        version=version,
        objects=[Table("t", [Column("id", "UInt64"), Column("c", kind)], engine=MergeTree(order_by=[order_by]))],
    )


def fill(client: Client, kind: str, *values: str) -> None:
    ensure_schema(client, schema(1, kind))
    for place, value in enumerate(values):
        client.command(f"INSERT INTO t SELECT {place}, CAST({value}, {quote_string(kind)})")


def shown(client: Client) -> list[object]:
    return [row[0] for row in client.query("SELECT toString(c) FROM t ORDER BY id").result_rows]


CASES = [
    ("Float64", "Float32", "0.1", "0.1", "1.5", "1e300"),
    ("Float64", "BFloat16", "1.1", "1.09375", "1.5", "1e300"),
    (
        "DateTime64(6, 'UTC')",
        "DateTime64(3, 'UTC')",
        "'1960-01-01 00:00:00.123456'",
        "1960-01-01 00:00:00.124",
        "'2020-01-01 00:00:00.123'",
        "",
    ),
    (
        "DateTime64(3, 'UTC')",
        "DateTime('UTC')",
        "'2020-01-01 00:00:00.9'",
        "2020-01-01 00:00:00",
        "'2020-01-01 00:00:00'",
        "'2200-01-01 00:00:00'",
    ),
    ("DateTime('UTC')", "Date", "'2020-01-01 10:00:00'", "2020-01-01", "'2020-01-01 00:00:00'", ""),
    (
        "DateTime64(3, 'Asia/Kolkata')",
        "Date",
        "'2020-01-01 23:30:00'",
        "2020-01-01",
        "'2020-01-01 00:00:00'",
        "'1960-01-01 00:00:00'",
    ),
    ("DateTime64(3, 'UTC')", "Int64", "'2020-01-01 00:00:00.5'", "1577836800", "'2020-01-01 00:00:00'", ""),
    (
        "DateTime64(3, 'UTC')",
        "UInt32",
        "'2020-01-01 00:00:00.5'",
        "1577836800",
        "'2020-01-01 00:00:00'",
        "'1960-01-01 00:00:00'",
    ),
    ("Float64", "Int32", "-1.5", "-1", "7", "3e9"),
    ("Float32", "UInt8", "255.9", "255", "7", "nan"),
    ("Decimal(9, 2)", "Int8", "'1.55'", "1", "'7'", "'300.5'"),
    ("Decimal(9, 2)", "Decimal(9, 1)", "'-1.29'", "-1.2", "'1.2'", ""),
    ("Decimal(18, 4)", "Decimal(9, 2)", "'1.2355'", "1.23", "'1.25'", "'12345678901'"),
    ("UInt64", "Float64", "9007199254740993", "9007199254740992", "7", ""),
    (
        "UInt256",
        "Float32",
        "16777217",
        "16777216",
        "7",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    ),
    ("IntervalDay", "Float32", "16777217", "16777216", "7", ""),
    ("Nullable(Float64)", "Nullable(Float32)", "0.1", "0.1", "NULL", "1e300"),
    ("Array(Decimal(9, 2))", "Array(Int8)", "['1.55']", "[1]", "['7']", "['300']"),
    ("Map(String, Float64)", "Map(String, Int32)", "map('a', 1.5)", "{'a':1}", "map('a', 7)", "map('a', 3e9)"),
    (
        "Tuple(a Float64, b String)",
        "Tuple(a Float32, b String)",
        "(0.1, 'x')",
        "(0.1,'x')",
        "(1.5, 'x')",
        "(1e300, 'x')",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "lost", "becomes", "kept", "beyond"), CASES, ids=[f"{case[0]} to {case[1]}" for case in CASES]
)
def test_fewer_digits_are_asked_for_by_name(
    aaiclick_client: Client, old: str, new: str, lost: str, becomes: str, kept: str, beyond: str
) -> None:
    fill(aaiclick_client, old, lost, kept)
    wanted = schema(2, new)
    assert "1 row holds a value of c that reads differently as" in str(plan_schema(aaiclick_client, wanted))
    with pytest.raises(SchemaVersionError, match=r"--allow 'retype t\.c'"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())
    if beyond:
        aaiclick_client.command(f"INSERT INTO t SELECT 9, CAST({beyond}, {quote_string(old)})")
        with pytest.raises(BlockedError, match=r"1 row holds a value of c that .* cannot hold"):
            ensure_schema(aaiclick_client, wanted, policy=ALLOWED)
        aaiclick_client.command("ALTER TABLE t DELETE WHERE id = 9 SETTINGS mutations_sync = 2")
    # What a copy into a table of that type makes of it is what there is in the end.
    aaiclick_client.command(f"CREATE TABLE copied (id UInt64, c {new}) ENGINE = MergeTree ORDER BY id")
    aaiclick_client.command(f"INSERT INTO copied SELECT id, CAST(c, {quote_string(new)}) FROM t")
    ensure_schema(aaiclick_client, wanted, policy=ALLOWED)
    assert shown(aaiclick_client)[0] == becomes
    assert (
        aaiclick_client.query("SELECT id, toString(c) FROM t EXCEPT SELECT id, toString(c) FROM copied").result_rows
        == []
    )


@pytest.mark.parametrize(
    ("old", "new", "lost", "becomes"), [(case[0], case[1], case[2], case[3]) for case in CASES[::4]]
)
def test_a_copy_makes_the_same_of_it(aaiclick_client: Client, old: str, new: str, lost: str, becomes: str) -> None:
    """Another sort key makes it one."""
    fill(aaiclick_client, old, lost)
    ensure_schema(aaiclick_client, schema(2, new, "id % 7"), policy=ALLOWED)
    assert shown(aaiclick_client) == [becomes]


def test_without_such_a_row_nothing_is_asked(aaiclick_client: Client) -> None:
    fill(aaiclick_client, "Float64", "1.5")
    ensure_schema(aaiclick_client, schema(2, "Float32"), policy=Policy.lossless())
    assert shown(aaiclick_client) == ["1.5"]
