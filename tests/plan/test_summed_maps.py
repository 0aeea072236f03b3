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


@pytest.mark.parametrize(
    ("default", "asked"),
    [("arrayMap(x -> v, nMap.k)", True), ("arrayMap(x -> 7, nMap.k)", False), (None, False)],
    ids=["of another column", "the same for all", "none"],
)
def test_a_new_key_that_rows_give_other_values_is_asked_for(
    aaiclick_client: Client, default: str | None, asked: bool
) -> None:
    def wanted(*more: Column) -> Table:
        columns = [Column("id", "UInt64"), Column("v", "UInt8"), Column("nMap.k", A), Column("nMap.n", A), *more]
        return Table("t", columns, engine=SummingMergeTree(order_by=["id"]))

    client = aaiclick_client
    migrate(client, schema(wanted()))
    client.command("SYSTEM STOP MERGES t")
    for value in (1, 5):
        client.command(f"INSERT INTO t VALUES (1, {value}, [1], [{value}])")
    client.command("SYSTEM START MERGES t")
    new = wanted(Column("nMap.kID", A, default=default))
    hazards = [each for step in plan_schema(client, schema(new)).steps for each in step.hazards if each.allow]
    assert [each.allow for each in hazards] == (["add-column t.nMap.kID"] if asked else [])
    if asked:
        assert "the map has 1 key now, and 2 then" in hazards[0].message


def test_how_many_keys_rows_hold_is_said(aaiclick_client: Client) -> None:
    prepared(aaiclick_client, ("k", A), ("l", A), ("v", A))
    plan = plan_schema(aaiclick_client, schema(table(("k", A), ("lID", A, "l"), ("v", A))))
    assert "(the rows hold 1 key of the map now, and 2 then)" in str(plan)


def test_what_a_dropped_leaf_makes_of_the_others_is_said(aaiclick_client: Client) -> None:
    prepared(aaiclick_client, ("k", A), ("l", A), ("v", A))
    wanted = schema(table(("l", A), ("v", A)))
    said = [str(each) for step in plan_schema(aaiclick_client, wanted).steps for each in step.hazards]
    assert any("add up nMap.l by the keys of its map no longer, and take nMap.l for a key" in each for each in said)
    migrate(aaiclick_client, wanted, "drop-column t.nMap.k")
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert rows(aaiclick_client, "SELECT * FROM t") == [(1, [1, 5], [1, 1])]


@pytest.mark.parametrize(
    ("old", "new", "values", "asked"),
    [
        ("UInt16", "UInt8", "12", False),
        ("UInt16", "String", "12", False),
        ("Date", "Date32", "12", False),
        ("Int32", "Date", "12", False),
        ("DateTime('UTC')", "Date", "12", True),
    ],
)
def test_a_key_of_another_type_is_asked_for_where_rows_hold_other_keys(
    aaiclick_client: Client, old: str, new: str, values: str, asked: bool
) -> None:
    client = aaiclick_client
    migrate(client, schema(table(("k", f"Array({old})"), ("v", "Array(UInt64)"))))
    client.command("SYSTEM STOP MERGES t")
    for value in values:
        client.command(f"INSERT INTO t VALUES (1, [{value}], [5])")
    client.command("SYSTEM START MERGES t")
    plan = plan_schema(client, schema(table(("k", f"Array({new})"), ("v", "Array(UInt64)"))))
    said = [each.message for each in plan.required[0].hazards if "merges" in each.message]
    assert len(said) == asked
    if asked:
        assert (
            "with its new type they add up otherwise what the rows hold: the map has 2 keys now, and 1 then" in said[0]
        )
