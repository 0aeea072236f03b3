"""A MATERIALIZED column over one that gets another type: what rows hold stays, and the plan says for which it does."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Column, MergeTree, Schema, Table, ensure_schema, plan_schema

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
