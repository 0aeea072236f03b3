"""Databases in which nothing can be migrated are told before anything is made."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Schema, Table, View, ensure_schema
from aaiclick.errors import ApplyError, UsageError
from aaiclick.testing.engine import fresh_name

TABLE = Table("t", [Column("k", "UInt64")], engine=MergeTree(order_by=["k"]))


@pytest.mark.parametrize("view", [False, True])
def test_a_database_whose_tables_cannot_be_renamed(aaiclick_client: Client, view: bool) -> None:
    name = fresh_name("memory")
    aaiclick_client.command(f"CREATE DATABASE {name} ENGINE = Memory")
    if view:
        aaiclick_client.command(f"CREATE VIEW {name}.v AS SELECT 1 AS k")
    schema = Schema("engines", version=1, objects=[TABLE, *([View("v", query="SELECT 1 AS k")] if view else [])])
    try:
        with pytest.raises(UsageError, match=f"database {name} has engine Memory.*Name a database of engine Atomic"):
            ensure_schema(aaiclick_client, schema, database=name)
        left = aaiclick_client.query(f"SELECT count() FROM system.tables WHERE database = '{name}'").result_rows
        assert left == [(int(view),)]
    finally:
        aaiclick_client.command(f"DROP DATABASE {name}")


def test_the_databases_of_the_server(aaiclick_client: Client) -> None:
    with pytest.raises(UsageError, match="database system has engine Memory"):
        ensure_schema(aaiclick_client, Schema("engines", version=1, objects=[TABLE]), database="system")


def test_a_table_that_was_detached(aaiclick_client: Client) -> None:
    schema = Schema("engines", version=1, objects=[TABLE])
    ensure_schema(aaiclick_client, schema)
    aaiclick_client.command("DETACH TABLE t")
    with pytest.raises(ApplyError, match="comes back with its rows by: ATTACH TABLE `t`"):
        ensure_schema(aaiclick_client, schema)
    aaiclick_client.command("ATTACH TABLE `t`")
    assert ensure_schema(aaiclick_client, schema).in_sync
