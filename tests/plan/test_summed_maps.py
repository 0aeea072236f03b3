"""A Nested of a SummingMergeTree whose name ends in Map: what merges take for a key of it is asked for where it changes,
and only there."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, Policy, SummingMergeTree, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError
from tests.plan.migrating import migrate, rows, schema

A = "Array(UInt8)"
Leaf = tuple[str, str] | tuple[str, str, str]


def table(*leaves: Leaf) -> Table:
    """A table with these leaves of nMap: name, type, and the name before."""
    columns = [
        Column(f"nMap.{name}", kind, renamed_from=f"nMap.{former[0]}" if former else None)
        for name, kind, *former in leaves
    ]
    return Table("t", [Column("id", "UInt64"), *columns], engine=SummingMergeTree(order_by=["id"]))


def prepared(client: Client, *leaves: Leaf) -> None:
    migrate(client, schema(table(*leaves)))
    client.command("SYSTEM STOP MERGES t")
    for value in (1, 5):
        arrays = ["[1]", f"[{value}]", *("[1]" for _ in leaves[2:])][: len(leaves)]
        client.command(f"INSERT INTO t VALUES (1, {', '.join(arrays)})")
    client.command("SYSTEM START MERGES t")


OTHERWISE: dict[str, tuple[list[Leaf], list[Leaf], str]] = {
    "a leaf becomes a key": ([("k", A), ("l", A), ("v", A)], [("k", A), ("lID", A, "l"), ("v", A)], "lID"),
    "a key becomes a leaf": ([("k", A), ("lKey", A), ("v", A)], [("k", A), ("l", A, "lKey"), ("v", A)], "l"),
    "another one is the first": ([("k", A), ("l", A)], [("l", A), ("k", A)], "k"),
    "a new one is the first": ([("k", A), ("l", A)], [("x", A), ("k", A), ("l", A)], "k"),
    "one comes to a lone one": ([("k", A)], [("k", A), ("v", A)], "k"),
    "text becomes a number": ([("k", A), ("v", "Array(String)")], [("k", A), ("v", "Array(UInt8)")], "k"),
}


@pytest.mark.parametrize("case", sorted(OTHERWISE))
def test_another_key_is_asked_for(aaiclick_client: Client, case: str) -> None:
    before, after, named = OTHERWISE[case]
    prepared(aaiclick_client, *before)
    with pytest.raises(SchemaVersionError, match=rf"retype t\.nMap\.{named}") as refused:
        ensure_schema(aaiclick_client, schema(table(*after)), policy=Policy.lossless())
    assert "merges" in str(refused.value)


ALIKE: dict[str, tuple[list[Leaf], list[Leaf]]] = {
    "a leaf is renamed": ([("k", A), ("l", A)], [("k", A), ("m", A, "l")]),
    "a key is renamed": ([("k", A), ("lID", A), ("v", A)], [("k", A), ("mType", A, "lID"), ("v", A)]),
    "the first may be called like a key": ([("k", A), ("v", A)], [("kID", A, "k"), ("v", A)]),
    "others change places": ([("k", A), ("l", A), ("v", A)], [("k", A), ("v", A), ("l", A)]),
    "one is added behind": ([("k", A), ("v", A)], [("k", A), ("v", A), ("w", A)]),
    "none is added up": (
        [("k", "Array(Float64)"), ("l", A), ("v", A)],
        [("k", "Array(Float64)"), ("lID", A, "l"), ("v", A)],
    ),
}


@pytest.mark.parametrize("case", sorted(ALIKE))
def test_the_same_key_is_not(aaiclick_client: Client, case: str) -> None:
    before, after = ALIKE[case]
    prepared(aaiclick_client, *before)
    migrate(aaiclick_client, schema(table(*after)))


def test_what_a_dropped_leaf_makes_of_the_others_is_said(aaiclick_client: Client) -> None:
    prepared(aaiclick_client, ("k", A), ("l", A), ("v", A))
    wanted = schema(table(("l", A), ("v", A)))
    said = [str(each) for step in plan_schema(aaiclick_client, wanted).steps for each in step.hazards]
    assert any("add up nMap.l by the keys of its map no longer, and take nMap.l for a key" in each for each in said)
    migrate(aaiclick_client, wanted, "drop-column t.nMap.k")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert rows(aaiclick_client, "SELECT * FROM t") == [(1, [1, 5], [1, 1])]
