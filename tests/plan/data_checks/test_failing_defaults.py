"""A new column whose default fails on rows that are there: it would make the table unreadable."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError


def declared(default: str, kind: str = "String") -> Schema:
    columns = [Column("k", "UInt64"), Column("s", "Nullable(String)"), Column("w", kind, default=default)]
    return Schema("defaults", objects=[Table("t", columns, engine=MergeTree(order_by=["k"]))])


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    aaiclick_client.command("CREATE TABLE t (k UInt64, s Nullable(String)) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1, '7'), (2, NULL)")
    return aaiclick_client


@pytest.mark.parametrize(
    ("default", "kind"),
    [
        ("concat(s, '-x')", "String"),
        ("toUInt32(s)", "UInt32"),
        ("intDiv(7, k - 1)", "Nullable(UInt64)"),
        ("toInt64(k)", "IPv4"),
    ],
    ids=["null", "parsed", "divided", "no conversion"],
)
def test_a_default_that_fails_on_a_row_blocks(client: Client, default: str, kind: str) -> None:
    with pytest.raises(BlockedError, match=r"t: the default .* of the new column w cannot be computed for the rows"):
        ensure_schema(client, declared(default, kind), policy=Policy.lossless())
    assert client.query("SELECT * FROM t ORDER BY k").result_rows == [(1, "7"), (2, None)]


@pytest.mark.parametrize("default", ["ifNull(s, 'none')", "toString(k)", "'plain'"])
def test_one_that_does_not_is_added(client: Client, default: str) -> None:
    ensure_schema(client, declared(default), policy=Policy.lossless())
    assert plan_schema(client, declared(default)).steps == ()
    assert len(client.query("SELECT k, w FROM t").result_rows) == 2


def test_rows_that_do_not_fail_do_not_block(client: Client) -> None:
    client.command("ALTER TABLE t DELETE WHERE s IS NULL SETTINGS mutations_sync = 2")
    ensure_schema(client, declared("toUInt32(s)", "UInt32"), policy=Policy.lossless())
    assert client.query("SELECT w FROM t").result_rows == [(7,)]


KINDS = [
    ("Date", "toYear({})", "UInt16", 1970),
    ("Enum8('a' = 1, 'b' = 2)", "toString({})", "String", "a"),
    ("FixedString(3)", "length({})", "UInt8", 3),
    ("Tuple(x UInt8)", "{}.x + 1", "UInt16", 1),
]


@pytest.mark.parametrize("there", [False, True], ids=["new", "in old parts missing"])
def test_a_default_over_a_column_that_parts_lack_is_written_for_their_rows(
    aaiclick_client: Client, there: bool
) -> None:
    """The server would read a literal in its place, 0 for a Date: another value, or one that fails at every read."""
    aaiclick_client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    read = [Column(f"r{place}", kind) for place, (kind, _, _, _) in enumerate(KINDS)]
    for column in read if there else []:
        aaiclick_client.command(f"ALTER TABLE t ADD COLUMN {column.name} {column.type}")
    new = [
        Column(f"w{place}", kind, default=default.format(f"r{place}"))
        for place, (_, default, kind, _) in enumerate(KINDS)
    ]
    table = Table("t", [Column("k", "UInt64"), *read, *new], engine=MergeTree(order_by=["k"]))
    schema = Schema("defaults", objects=[table])
    report = ensure_schema(aaiclick_client, schema, policy=Policy.lossless())
    assert [step.strategy for step in report.steps] == ["mutate"]
    names = ", ".join(column.name for column in new)
    assert aaiclick_client.query(f"SELECT {names} FROM t").result_rows == [tuple(value for *_, value in KINDS)]
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert aaiclick_client.query(f"SELECT {names} FROM t").result_rows == [tuple(value for *_, value in KINDS)]


def test_a_default_over_a_text_that_parts_lack_is_not_written(aaiclick_client: Client) -> None:
    aaiclick_client.command("CREATE TABLE t (k UInt64) ENGINE = MergeTree ORDER BY k")
    aaiclick_client.command("INSERT INTO t VALUES (1)")
    columns = [Column("k", "UInt64"), Column("s", "String"), Column("w", "String", default="concat(s, '-')")]
    schema = Schema("defaults", objects=[Table("t", columns, engine=MergeTree(order_by=["k"]))])
    assert [step.strategy for step in ensure_schema(aaiclick_client, schema).steps] == ["alter"]
    assert aaiclick_client.query("SELECT w FROM t").result_rows == [("-",)]
