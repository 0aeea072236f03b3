"""An expression of a migration that the engine does not convert: the plan says which it is, and another one where there
is one."""

from __future__ import annotations

import ast
import re

from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from tests.plan.migrating import rows

OLD = "Array(Enum8('x' = 1, 'y' = 2))"
NEW = "Array(Enum8('y' = 1, 'x' = 2))"


def released(version: int, b: str, f: str, columns: dict[str, str] | None = None) -> Schema:
    table = Table("t", [Column("id", "UInt64"), Column("b", b), Column("f", f)], engine=MergeTree(order_by=["id"]))
    migrations = [Migration(2, rebuild={"t": Rebuild(columns=columns)})] if columns else []
    return Schema("outside", version=version, objects=[table], migrations=migrations)


def test_two_columns_change_places_and_labels_their_numbers(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, released(1, OLD, "UInt8"))
    aaiclick_client.command("INSERT INTO t VALUES (1, ['x'], 3)")
    said = plan_schema(aaiclick_client, released(2, "UInt8", NEW, {"f": "b", "b": "f"})).steps[0].blocked
    assert f"column f, which the migration fills with b, does not convert from {OLD} to {NEW}" in said
    way = re.search(r"A migration can say how: Rebuild\(columns=(\{.*\})\)", said)
    assert way is not None
    columns = {"b": "f", **ast.literal_eval(way[1])}
    ensure_schema(aaiclick_client, released(2, "UInt8", NEW, columns), policy=Policy.everything())
    assert rows(aaiclick_client, "SELECT id, b, f FROM t") == [(1, 3, ["x"])]


def test_where_nothing_is_known_to_make_such_values_the_expression_is_named(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, released(1, OLD, "UInt8"))
    aaiclick_client.command("INSERT INTO t VALUES (1, ['x'], 3)")
    said = plan_schema(aaiclick_client, released(2, NEW, "UInt8", {"b": "f + 1"})).steps[0].blocked
    assert f"column b, which the migration fills with f + 1, does not convert to {NEW}" in said
    assert "Its expression has to make values of that type" in said
    assert "A migration" not in said
