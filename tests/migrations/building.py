"""Tables and schemas of the tests, and what a table holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aaiclick import Column, MergeTree, Migration, Schema, Table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from aaiclick.testing.engine import EmbeddedEngine
    from aaiclick.versions.lockfile import LockedForm


def table(*columns: Column, name: str = "t", order: str = "id") -> Table:
    return Table(name, [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=[order]))


def schema(version: int, *tables: Table, migrations: str | list[Migration] | None = None) -> Schema:
    return Schema("s", version=version, objects=list(tables), migrations=migrations)


def rows(client: Client, name: str = "t", columns: str = "*") -> list[tuple[object, ...]]:
    return [tuple(row) for row in client.query(f"SELECT {columns} FROM {name} ORDER BY ALL").result_rows]


def names(client: Client) -> list[str]:
    found = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND NOT startsWith(name, '_aaiclick_') "
        "ORDER BY name"
    )
    return [str(row[0]) for row in found.result_rows if row[0] != "schema_version"]


def records(client: Client) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in client.query(
            "SELECT version, from_version, state, oldest_code FROM schema_version ORDER BY seq"
        ).result_rows
    ]


def locked_forms(engine: EmbeddedEngine, tables: Iterable[Table]) -> dict[str, LockedForm]:
    """What the lock file holds of tables: their canonical forms, made in a database that is dropped again."""
    # Here: an older release, which has other modules, imports this file for the declarations of the cases.
    from aaiclick.catalog.forms import UnsupportedForm
    from aaiclick.catalog.parse.create import split_create
    from aaiclick.specs.ddl import create_table_sql
    from aaiclick.sql.quoting import quote_name
    from aaiclick.testing.engine import fresh_name

    name = fresh_name("lock")
    engine.command(f"CREATE DATABASE {quote_name(name)}")
    found: dict[str, LockedForm] = {}
    for declared in tables:
        engine.command(create_table_sql(declared, name))
        text = engine.command(
            f"SELECT create_table_query FROM system.tables WHERE database = '{name}' AND name = '{declared.name}' "
            "FORMAT TSVRaw"
        )
        form = split_create(text.strip(), name)
        assert not isinstance(form, UnsupportedForm)
        found[declared.name] = form
    engine.command(f"DROP DATABASE {quote_name(name)} SYNC")
    return found
