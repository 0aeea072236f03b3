"""A Nested in a declaration that is SQL: one column for each of its parts, as a server makes them of the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaiclick import Schema, Table, ensure_schema, plan_schema, reflect_schema

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SQL = "CREATE TABLE t (k UInt8, n Nested(x UInt32, y UInt8)) ENGINE = MergeTree ORDER BY k"


def _columns(client: Client) -> list[str]:
    sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 't' ORDER BY position"
    return [row[0] for row in client.query(sql).result_rows]


def _schema(sql: str) -> Schema:
    return Schema("s", version=1, objects=[Table.from_sql(sql)])


def test_the_table_that_the_text_made_is_in_sync(aaiclick_client: Client) -> None:
    aaiclick_client.command(SQL)
    assert plan_schema(aaiclick_client, _schema(SQL)).steps == ()


def test_a_new_table_is_as_the_text_would_make_it(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, _schema(SQL))
    assert _columns(aaiclick_client) == ["k", "n.x", "n.y"]
    assert plan_schema(aaiclick_client, _schema(SQL)).steps == ()


def test_one_column_where_the_text_says_so(aaiclick_client: Client) -> None:
    whole = f"{SQL} SETTINGS flatten_nested = 0"
    ensure_schema(aaiclick_client, _schema(whole))
    assert _columns(aaiclick_client) == ["k", "n"]
    assert plan_schema(aaiclick_client, _schema(whole)).steps == ()
    assert reflect_schema(aaiclick_client, name="s").tables[0].engine.settings["flatten_nested"] == 0
