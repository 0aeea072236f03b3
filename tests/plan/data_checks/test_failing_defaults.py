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
    [("concat(s, '-x')", "String"), ("toUInt32(s)", "UInt32"), ("intDiv(7, k - 1)", "Nullable(UInt64)")],
    ids=["null", "parsed", "divided"],
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
