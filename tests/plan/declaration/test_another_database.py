"""A schema in a database that is not the connection's own: what its expressions ask without a database is in the
schema's database, whatever the other one holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Dictionary, Policy, Schema, Table, ensure_schema, plan_schema, rollback_schema

SOURCE = "CREATE TABLE s (id UInt64, n String) ENGINE = MergeTree ORDER BY id"
LOOK = (
    "CREATE DICTIONARY dd (id UInt64, n String) PRIMARY KEY id SOURCE(CLICKHOUSE(TABLE 's')) LAYOUT(HASHED()) "
    "LIFETIME(0)"
)
LOOKED = Dictionary(
    "dd",
    columns=[Column("id", "UInt64"), Column("n", "String")],
    primary_key=["id"],
    source="CLICKHOUSE(TABLE 's')",
    layout="HASHED()",
    lifetime="0",
)
SET = "CREATE TABLE st (id UInt64) ENGINE = Set"
ASKS = "dictGet('dd', 'n', id)"
KEPT = {
    "a default": f"na String DEFAULT {ASKS}",
    "a materialized column": f"na String MATERIALIZED {ASKS}",
    "an alias": f"na String ALIAS {ASKS}",
    "a set": "na String DEFAULT if(id IN st, 'mine', 'of another')",
    "a check": f"CONSTRAINT c CHECK {ASKS} = 'mine'",
    "a projection": f"PROJECTION p (SELECT {ASKS} AS na, count() GROUP BY na)",
}
POLICY = Policy.lossless().allow("materialize t.p")


@pytest.fixture
def live(aaiclick_client: Client, aaiclick_database: str) -> Iterator[str]:
    name = f"{aaiclick_database}_live"
    aaiclick_client.command(f"CREATE DATABASE {name}")
    yield name
    aaiclick_client.command(f"DROP DATABASE {name} SYNC")


def _schema(kept: str, version: int, order_by: str = "id") -> Schema:
    columns = f"id UInt64, {kept}" if kept else "id UInt64"
    table = Table.from_sql(f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY {order_by}")
    return Schema("s", version=version, objects=[Table.from_sql(SOURCE), LOOKED, table, Table.from_sql(SET)])


def _of_another(client: Client) -> None:
    """The connection's own database has objects of the same names."""
    for sql in (SOURCE, LOOK, SET):
        client.command(sql)
    client.command("INSERT INTO s VALUES (1, 'of another')")


def _read(client: Client, live: str, kept: str) -> object:
    if not kept.startswith("na "):
        return client.query(f"SELECT 'mine' FROM {live}.t WHERE id = 1").result_rows
    return client.query(f"SELECT na FROM {live}.t WHERE id = 1").result_rows


@pytest.mark.parametrize("another", [False, True])
@pytest.mark.parametrize("kind", KEPT)
def test_a_new_table_asks_in_its_own_database(aaiclick_client: Client, live: str, kind: str, another: bool) -> None:
    if another:
        _of_another(aaiclick_client)
    schema = _schema(KEPT[kind], 1)
    ensure_schema(aaiclick_client, schema, database=live)
    _fill(aaiclick_client, live)
    aaiclick_client.command(f"INSERT INTO {live}.t (id) VALUES (1)")
    assert _read(aaiclick_client, live, KEPT[kind]) == [("mine",)]
    assert not plan_schema(aaiclick_client, schema, database=live).required


@pytest.mark.parametrize("order_by", ["id", "(id, id % 3)"])
@pytest.mark.parametrize("kind", KEPT)
def test_a_table_that_changes_asks_in_its_own_database(
    aaiclick_client: Client, live: str, kind: str, order_by: str
) -> None:
    """In place, and by a copy."""
    _of_another(aaiclick_client)
    ensure_schema(aaiclick_client, _schema("", 1), database=live)
    _fill(aaiclick_client, live)
    aaiclick_client.command(f"INSERT INTO {live}.t VALUES (1)")
    schema = _schema(KEPT[kind], 2, order_by)
    ensure_schema(aaiclick_client, schema, database=live, policy=POLICY)
    assert _read(aaiclick_client, live, KEPT[kind]) == [("mine",)]
    assert not plan_schema(aaiclick_client, schema, database=live).required


def test_a_rollback_and_a_copy_of_its_own(aaiclick_client: Client, live: str) -> None:
    """What comes since then is put back with what its own database says."""
    _of_another(aaiclick_client)
    before = _schema(KEPT["a materialized column"], 1)
    ensure_schema(aaiclick_client, before, database=live)
    _fill(aaiclick_client, live)
    after = _schema(KEPT["a materialized column"], 2, "(id, id % 3)")
    ensure_schema(aaiclick_client, after, database=live, policy=POLICY)
    aaiclick_client.command(f"INSERT INTO {live}.t (id) VALUES (1)")
    rollback_schema(aaiclick_client, after, database=live)
    assert _read(aaiclick_client, live, KEPT["a materialized column"]) == [("mine",)]


def _fill(client: Client, live: str) -> None:
    client.command(f"INSERT INTO {live}.s VALUES (1, 'mine')")
    client.command(f"INSERT INTO {live}.st VALUES (1)")
    client.command(f"SYSTEM RELOAD DICTIONARY {live}.dd")
