"""Literals with bytes that are no UTF-8: the server shows them as they are, and every statement with them is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema, plan_schema, reflect_schema
from aaiclick.sql.tokens import unquote

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

BYTE = r"'a\xff\''"
READ = "SELECT hex(b) FROM t"


def schema(version: int, default: str = BYTE, kind: str = "String") -> Schema:
    columns = [Column("k", "UInt8"), Column("b", kind, default=default)]
    return Schema("s", version=version, objects=[Table("t", columns, engine=MergeTree(order_by="k"))])


def test_a_default_with_such_a_byte_is_made_changed_and_compared(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1, "'x'"))
    aaiclick_client.command("INSERT INTO t (k) VALUES (1)")
    for version, kind in ((2, "String"), (3, "LowCardinality(String)")):
        ensure_schema(aaiclick_client, schema(version, kind=kind))
        assert not plan_schema(aaiclick_client, schema(version, kind=kind)).required
    aaiclick_client.command("INSERT INTO t (k) VALUES (2)")
    assert aaiclick_client.query(f"{READ} ORDER BY k").result_rows == [("78",), ("61FF27",)]
    (live,) = reflect_schema(aaiclick_client).tables
    found = live.column("b")
    assert found is not None
    assert found.default == r"'a\xFF\''"


def test_a_view_with_one_lets_its_table_change(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(1))
    aaiclick_client.command(f"CREATE VIEW v AS SELECT k, b FROM t WHERE b != {BYTE}")
    ensure_schema(aaiclick_client, schema(2, kind="LowCardinality(String)"))
    aaiclick_client.command("INSERT INTO t VALUES (1, 'x'), (2, DEFAULT)")
    assert aaiclick_client.query("SELECT k FROM v").result_rows == [(1,)]


def test_it_is_declared_in_sql(aaiclick_client: Client) -> None:
    table = Table.from_sql(f"CREATE TABLE t (k UInt8, b String DEFAULT {BYTE}) ENGINE = MergeTree ORDER BY k")
    ensure_schema(aaiclick_client, Schema("s", version=1, objects=[table]))
    aaiclick_client.command("INSERT INTO t (k) VALUES (1)")
    assert aaiclick_client.query(READ).result_rows == [("61FF27",)]
    assert not plan_schema(aaiclick_client, schema(1)).required


@pytest.mark.parametrize(
    ("token", "text"),
    [(r"'\xC3\xA9'", "é"), (r"'\xff'", "\udcff"), (r"'\x41\xff\xC3\xA9'", "A\udcffé"), ("'\ud800'", "\ud800")],
)
def test_bytes_that_are_a_character_are_read_as_that(token: str, text: str) -> None:
    assert unquote(token) == text
