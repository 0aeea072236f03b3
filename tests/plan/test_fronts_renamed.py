"""Buffer, Merge and Alias tables in front of a table that gets another name, or whose columns do."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Engine, MergeTree, Migration, Policy, Schema, Table, ensure_schema
from aaiclick.errors import BlockedError
from tests.plan.migrating import migrate, rows, schema

BUFFER = "'{db}', '{table}', 1, 100, 100, 10000, 10000, 10000, 10000"
ARGUMENTS = {"Buffer": BUFFER, "Merge": "'{db}', '^{table}$'", "Alias": "'{table}'"}
KEYS = {"Buffer": ["replace-table front"], "Merge": list[str](), "Alias": list[str]()}


def plain(name: str = "t", column: str = "v", former: str | None = None, old: str | None = None) -> Table:
    columns = [Column("k", "UInt64"), Column(column, "UInt8", renamed_from=old)]
    return Table(name, columns, engine=MergeTree(order_by=["k"]), renamed_from=former)


def front(client: Client, engine: str, table: str = "t", column: str = "v", old: str | None = None) -> Table:
    arguments = ARGUMENTS[engine].format(db=client.database, table=table)
    columns = [Column("k", "UInt64"), Column(column, "UInt8", renamed_from=old)]
    return Table("front", columns, engine=Engine(engine, arguments=arguments))


@pytest.mark.parametrize("engine", ["Buffer", "Merge", "Alias"])
def test_a_declared_one_follows_the_name_of_its_table(aaiclick_client: Client, engine: str) -> None:
    migrate(aaiclick_client, schema(plain(), front(aaiclick_client, engine)))
    aaiclick_client.command(f"INSERT INTO {'front' if engine == 'Buffer' else 't'} VALUES (1, 1)")
    wanted = schema(plain("t2", former="t"), front(aaiclick_client, engine, "t2"))
    done = migrate(aaiclick_client, wanted, *KEYS[engine])
    # What a Buffer table holds is written before there is no table of that name.
    first = [("front", "replace")] if engine == "Buffer" else []
    assert done == [*first, ("t2", "alter"), ("front", "replace")]
    assert rows(aaiclick_client, "SELECT k, v FROM front") == [(1, 1)]


@pytest.mark.parametrize("engine", ["Buffer", "Merge"])
def test_a_declared_one_follows_the_name_of_a_column(aaiclick_client: Client, engine: str) -> None:
    migrate(aaiclick_client, schema(plain(), front(aaiclick_client, engine)))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1)")
    if engine == "Buffer":
        aaiclick_client.command("INSERT INTO front VALUES (2, 2)")
    wanted = schema(plain(column="w", old="v"), front(aaiclick_client, engine, column="w", old="v"))
    migrate(aaiclick_client, wanted, *KEYS[engine])
    held = [(2, 2)] if engine == "Buffer" else []
    assert rows(aaiclick_client, "SELECT k, w FROM front ORDER BY k") == [(1, 1), *held]
    assert rows(aaiclick_client, "SELECT k, w FROM t ORDER BY k") == [(1, 1), *held]


def released(version: int, *objects: Table, renames: dict[str, str] | None = None) -> Schema:
    migrations = [Migration(2, renames=renames)] if renames else []
    return Schema("outside", version=version, objects=list(objects), migrations=migrations)


def with_new_column_of_that_name() -> Table:
    columns = [Column("k", "UInt64"), Column("w", "UInt8"), Column("v", "UInt8", default="9")]
    return Table("t", columns, engine=MergeTree(order_by=["k"]))


def test_what_a_buffer_holds_goes_into_no_new_column_of_the_old_name(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, released(1, plain(), front(aaiclick_client, "Buffer")))
    aaiclick_client.command("INSERT INTO front VALUES (2, 2)")
    objects = with_new_column_of_that_name(), front(aaiclick_client, "Buffer", column="w")
    wanted = released(2, *objects, renames={"t.v": "w", "front.v": "w"})
    ensure_schema(aaiclick_client, wanted, policy=Policy.lossless().allow("replace-table front"))
    assert rows(aaiclick_client, "SELECT k, w, v FROM t") == [(2, 2, 9)]


def test_nor_does_what_one_holds_that_nobody_declares(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, released(1, plain()))
    arguments = ARGUMENTS["Buffer"].format(db=aaiclick_client.database, table="t")
    aaiclick_client.command(f"CREATE TABLE front AS t ENGINE = Buffer({arguments})")
    aaiclick_client.command("INSERT INTO front VALUES (2, 2)")
    wanted = released(2, with_new_column_of_that_name(), renames={"t.v": "w"})
    with pytest.raises(BlockedError, match="v of its table gets another name"):
        ensure_schema(aaiclick_client, wanted, policy=Policy.lossless())


@pytest.mark.parametrize("engine", ["Buffer", "Merge"])
def test_one_that_keeps_the_name_of_a_column_is_in_the_way(aaiclick_client: Client, engine: str) -> None:
    ensure_schema(aaiclick_client, schema(plain()))
    arguments = ARGUMENTS[engine].format(db=aaiclick_client.database, table="t")
    aaiclick_client.command(f"CREATE TABLE front AS t ENGINE = {engine}({arguments})")
    aaiclick_client.command(f"INSERT INTO {'front' if engine == 'Buffer' else 't'} VALUES (1, 1)")
    with pytest.raises(BlockedError, match=f"front: its table will have no column v, and the {engine} table would"):
        migrate(aaiclick_client, schema(plain(column="w", old="v")))
    assert rows(aaiclick_client, "SELECT k, v FROM front") == [(1, 1)]


def test_an_alias_that_keeps_the_name_of_a_table_is_in_the_way_of_that_alone(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, schema(plain()))
    aaiclick_client.command("CREATE TABLE front ENGINE = Alias('t')")
    with pytest.raises(BlockedError, match="front: the Alias table would fail"):
        migrate(aaiclick_client, schema(plain("t2", former="t")))
    assert migrate(aaiclick_client, schema(plain(column="w", old="v"))) == [("t", "mutate")]
    assert rows(aaiclick_client, "SELECT k, w FROM front") == []
