"""A MATERIALIZED column over one that gets another type: what rows hold stays, and the plan says for which it does."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError

CREATED = "CREATE TABLE t (id UInt64, a {}, al String ALIAS toString(a), m String MATERIALIZED {}) ENGINE = MergeTree ORDER BY id"


def wanted(kind: str, expression: str) -> Schema:
    columns = [
        Column("id", "UInt64"),
        Column("a", kind),
        Column("al", "String", alias="toString(a)"),
        Column("m", "String", materialized=expression),
    ]
    return Schema("retyped", objects=[Table("t", columns, engine=MergeTree(order_by=["id"]))])


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "said"),
    [
        ("UInt8", "UInt16", "toString(bitNot(a))", "toString(bitNot(a))", "reads a, which changes, for new rows"),
        ("Date", "DateTime('UTC')", "concat(al, '')", "concat(al, '')", "reads al, which changes, for new rows"),
        ("String", "LowCardinality(String)", "upper(a)", "upper(a)", ""),
        ("UInt8", "UInt16", "toString(id)", "toString(id)", ""),
        ("UInt8", "UInt16", "toString(a)", "toString(a + 1)", ""),
    ],
    ids=["directly", "through an ALIAS", "of the same values", "not read", "another expression says it itself"],
)
def test_what_stays_is_said(aaiclick_client: Client, old: str, new: str, before: str, after: str, said: str) -> None:
    aaiclick_client.command(CREATED.format(old, before))
    aaiclick_client.command(f"INSERT INTO t (id, a) VALUES (1, '{'2020-01-02' if old == 'Date' else 7}')")
    held = aaiclick_client.query("SELECT m FROM t").result_rows
    plan = plan_schema(aaiclick_client, wanted(new, after))
    notes = [note for note in plan.notes if "column m: MATERIALIZED" in note]
    assert [note.partition(") ")[2] for note in notes] == ([said] if said else [])
    ensure_schema(aaiclick_client, wanted(new, after))
    assert aaiclick_client.query("SELECT m FROM t").result_rows == held


@pytest.mark.parametrize("name", ["a", "b"])
def test_an_alias_that_is_materialized_over_it_is_asked_for(aaiclick_client: Client, name: str) -> None:
    """Also where what it reads gets another name, so that the two expressions are other texts."""
    aaiclick_client.command(
        "CREATE TABLE t (id UInt64, a Date, al String ALIAS toString(a)) ENGINE = MergeTree ORDER BY id"
    )
    aaiclick_client.command("INSERT INTO t VALUES (1, '2020-01-02')")
    columns = [
        Column("id", "UInt64"),
        Column(name, "UInt16", renamed_from=None if name == "a" else "a"),
        Column("al", "String", materialized=f"toString({name})"),
    ]
    declared = Schema("retyped", objects=[Table("t", columns, engine=MergeTree(order_by=["id"]))])
    (hazard,) = [each for each in plan_schema(aaiclick_client, declared).hazards if each.allow]
    assert hazard.allow == "change-default t.al"
    assert "is another value in 1 row, for instance" in hazard.message
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, declared)
    ensure_schema(aaiclick_client, declared, Policy.lossless().allow("change-default t.al"))
    assert aaiclick_client.query("SELECT al FROM t").result_rows == [("18263",)]
