"""A column that becomes EPHEMERAL is read by nothing any more: what reads it stands in the way, by its name."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.errors import BlockedError

ID, STORED = Column("id", "UInt64"), Column("s", "String")
GONE, READS_IT = Column("s", "String", ephemeral="'x'"), Column("n", "UInt64", default="length(s)")
POLICY = Policy.lossless().allow("change-default t.s", "drop-column t.s")


def schema(version: int, *columns: Column) -> Schema:
    return Schema("s", version=version, objects=[Table("t", list(columns), engine=MergeTree(order_by=["id"]))])


@pytest.fixture
def client(aaiclick_client: Client) -> Client:
    ensure_schema(aaiclick_client, schema(1, ID, STORED, READS_IT))
    aaiclick_client.command("INSERT INTO t (id, s) VALUES (1, 'a')")
    aaiclick_client.command("CREATE TABLE seen (id UInt64, s String, n UInt64) ENGINE = MergeTree ORDER BY id")
    return aaiclick_client


@pytest.mark.parametrize("kind", ["MATERIALIZED VIEW v TO seen", "VIEW v"])
def test_a_view_that_reads_it_blocks_the_change(client: Client, kind: str) -> None:
    client.command(f"CREATE {kind} AS SELECT id, s FROM t")
    with pytest.raises(BlockedError, match="view v reads t and would fail"):
        ensure_schema(client, schema(2, ID, GONE, READS_IT), policy=POLICY)
    client.command("DROP TABLE v")
    ensure_schema(client, schema(2, ID, GONE, READS_IT), policy=POLICY)
    client.command("INSERT INTO t (id, s) VALUES (2, 'four')")
    assert client.query("SELECT n FROM t ORDER BY id").result_rows == [(1,), (4,)]


def test_a_view_that_reads_what_is_computed_from_it_does_not(client: Client) -> None:
    client.command("CREATE MATERIALIZED VIEW v TO seen AS SELECT id, n FROM t")
    assert ensure_schema(client, schema(2, ID, GONE, READS_IT), policy=POLICY).in_sync
    client.command("INSERT INTO t (id, s) VALUES (2, 'four')")
    assert client.query("SELECT n FROM seen").result_rows == [(4,)]
