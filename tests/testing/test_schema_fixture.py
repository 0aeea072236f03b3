"""``aaiclick_schema``: a database with exactly a schema, as often as one likes."""

from __future__ import annotations

from typing import Any

import pytest

import aaiclick
from aaiclick import Column, MaterializedView, MergeTree, Schema, Table, View
from aaiclick.errors import UsageError

SHOP = Schema(
    name="shop",
    version=3,
    objects=[
        Table(
            "orders",
            columns=[
                Column("id", "UInt64"),
                Column("item", "String", codec="ZSTD(3)", comment="what's sold"),
                Column("day", "Date", default="today()"),
            ],
            engine=MergeTree(order_by=["item", "id"], partition_by="day"),
        ),
        Table("sales", columns=[Column("item", "String"), Column("n", "UInt64")], engine=MergeTree(order_by="item")),
        MaterializedView("count_sales", to="sales", query="SELECT item, toUInt64(1) AS n FROM orders"),
        View("only_items", query="SELECT item FROM orders"),
        View("a_view_on_a_view", query="SELECT item FROM only_items"),
    ],
)


def shape(run: Any, database: str) -> str:
    """All objects of a database and all rows of its bookkeeping, without its name."""
    tables = run(f"SELECT name, create_table_query FROM system.tables WHERE database = '{database}' ORDER BY name")
    return str(tables + run(f"SELECT * FROM {database}.schema_version ORDER BY ALL")).replace(database, "*")


def test_each_database_is_like_the_first_and_is_separate(
    aaiclick_schema: Any, aaiclick_engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = aaiclick_schema(SHOP)
    run = aaiclick_engine.command
    with monkeypatch.context() as patched:
        patched.delattr(aaiclick, "ensure_schema")
        others = [aaiclick_schema(SHOP) for _ in range(3)]
    assert len({first, *others}) == 4
    assert {shape(run, database) for database in others} == {shape(run, first)}
    run(f"INSERT INTO {others[0]}.orders (id, item) VALUES (1, 'pen')")
    for view in ("sales", "a_view_on_a_view"):
        assert [run(f"SELECT count() FROM {database}.{view}") for database in others] == ["1\n", "0\n", "0\n"]


def test_the_copy_is_in_sync(aaiclick_schema: Any, aaiclick_engine: Any) -> None:
    for database in (aaiclick_schema(SHOP), aaiclick_schema(SHOP)):
        client = aaiclick_engine.client(database=database)
        try:
            status = aaiclick.validate_schema(client, SHOP)
        finally:
            client.close()
        assert (status.in_sync, status.live_version, list(status.differences)) == (True, 3, [])


def test_on_a_server(aaiclick_schema: Any, aaiclick_server: Any, aaiclick_server_client: Any) -> None:
    first, second = (aaiclick_schema(SHOP, via=aaiclick_server_client) for _ in range(2))
    assert shape(aaiclick_server.command, first) == shape(aaiclick_server.command, second)


def test_through_a_client_of_the_engine(aaiclick_schema: Any, aaiclick_client: Any) -> None:
    database = aaiclick_schema(SHOP, via=aaiclick_client)
    assert aaiclick_client.command(f"SELECT count() FROM {database}.orders") == 0


def test_another_version_is_another_schema(aaiclick_schema: Any, aaiclick_engine: Any) -> None:
    smaller = Schema(name="shop", version=4, objects=[SHOP.objects[0]])
    tables = {aaiclick_engine.command(f"EXISTS {aaiclick_schema(schema)}.sales") for schema in (SHOP, smaller)}
    assert tables == {"0\n", "1\n"}


def test_something_that_is_no_client(aaiclick_schema: Any) -> None:
    with pytest.raises(UsageError, match="via= takes"):
        aaiclick_schema(SHOP, via=object())


def test_nothing_is_left(aaiclick_engine: Any, aaiclick_server: Any) -> None:
    for run in (aaiclick_engine.command, aaiclick_server.command):
        assert run("SELECT count() FROM system.databases WHERE startsWith(name, 'schema_')") == "0\n"
