"""Reading a database whole, so that two readings can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

OWN = ("operation_log", "task_logs")


def execute(client: Client, statements: Sequence[str]) -> None:
    for statement in statements:
        client.command(statement)


def tables(client: Client) -> list[str]:
    return [
        str(row[0])
        for row in client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name"
        ).result_rows
    ]


def columns(client: Client, table: str) -> list[tuple[str, str]]:
    """(name, type) of every column of a table, in order."""
    sql = (
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER "
        "BY position"
    )
    return [(str(name), str(kind)) for name, kind in client.query(sql, parameters={"table": table}).result_rows]


def rows(client: Client, table: str, names: Sequence[str]) -> list[str]:
    """Every row as text, sorted. Times count as numbers: which zone a column shows them in is not part of the row."""
    kinds = dict(columns(client, table))
    listed = ", ".join(
        f"toUnixTimestamp64Milli({name})" if kinds[name].startswith("DateTime64") else name for name in names
    )
    sql = f"SELECT formatRowNoNewline('JSONCompactEachRow', {listed}) AS row FROM {table} ORDER BY row"
    return [str(row[0]) for row in client.query(sql).result_rows]


def all_rows(client: Client) -> dict[str, tuple[list[str], list[str]]]:
    """Per table the names of its columns, and its rows."""
    found = {table: [name for name, _ in columns(client, table)] for table in tables(client)}
    return {table: (names, rows(client, table, names)) for table, names in found.items()}


def storage(client: Client) -> dict[str, tuple[str, str]]:
    """Per table its definition and where its parts lie: both stay the same where nobody touched it."""
    sql = (
        "SELECT name, create_table_query, arrayStringConcat(data_paths, ',') FROM system.tables WHERE database = "
        "currentDatabase()"
    )
    return {str(name): (str(text), str(paths)) for name, text, paths in client.query(sql).result_rows}


def scratch(client: Client) -> list[str]:
    """Databases that are neither the engine's nor the test's."""
    sql = (
        "SELECT name FROM system.databases WHERE name NOT IN ('system', 'default', 'INFORMATION_SCHEMA', "
        "'information_schema', currentDatabase()) ORDER BY name"
    )
    return [str(row[0]) for row in client.query(sql).result_rows]
