"""A text of a declaration that the server does not parse is named, with the place in it where the server stops."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    Constraint,
    Dictionary,
    Engine,
    Index,
    MaterializedView,
    MergeTree,
    Projection,
    Schema,
    Table,
    View,
    ensure_schema,
    plan_schema,
)
from aaiclick.errors import SpecError
from aaiclick.specs.functions import Function

KEY = Column("k", "UInt64")
WRONG = "toUInt32(s) +* 2"
STOPS = "cannot be parsed: it stops at character 16, before '2'"
OPEN = "cannot be parsed: it ends before it is complete. Is a bracket or a quote left open?"


def table(*columns: Column, engine: object = None, **parts: object) -> Table:
    listed = [KEY, Column("s", "String"), Column("d", "DateTime"), *columns]
    return Table("t", listed, engine=engine or MergeTree(order_by="k"), **parts)  # type: ignore[arg-type]


def keyed(**clauses: object) -> Table:
    return table(engine=MergeTree(**{"order_by": "k", **clauses}))  # type: ignore[arg-type]


def dictionary(source: str = "CLICKHOUSE(TABLE 't')", layout: str = "FLAT()") -> Dictionary:
    return Dictionary("w", columns=[KEY], primary_key=["k"], source=source, layout=layout, lifetime="0")


OWN = MergeTree(order_by="k")
CASES = [
    (table(indexes=[Index("i", expr=WRONG)]), f"table t: index i: {STOPS}"),
    (
        table(indexes=[Index("i", expr="s", type="set(1 0)")]),
        "table t: index i: type: cannot be parsed: it stops at character 7, before '0)'",
    ),
    (table(Column("x", "UInt64", default=WRONG)), f"table t: column x: default: {STOPS}"),
    (table(Column("x", "UInt64", materialized=WRONG)), f"table t: column x: materialized: {STOPS}"),
    (table(Column("x", "UInt64", alias=WRONG)), f"table t: column x: alias: {STOPS}"),
    (table(Column("x", "UInt64", ephemeral=WRONG)), f"table t: column x: ephemeral: {STOPS}"),
    (table(Column("x", "UInt64", codec="ZSTD(1")), f"table t: column x: codec: {OPEN}"),
    (table(Column("x", "Array(UInt64")), f"table t: column x: type: {OPEN}"),
    (
        table(Column("x", "UInt64", ttl="d + 1 1")),
        "table t: column x: ttl: cannot be parsed: it stops at character 7, before '1'",
    ),
    (table(constraints=[Constraint("c", check=WRONG)]), f"table t: constraint c: {STOPS}"),
    (
        table(projections=[Projection("p", "SELECT s GROUP s")]),
        "table t: projection p: cannot be parsed: it stops at character 16, before 's'",
    ),
    (
        keyed(ttl="d + toIntervalDay(1) DELETE\nWHER s = 'é'"),
        "table t: ttl: cannot be parsed: it stops at character 29, before \"WHER s = 'é'\"",
    ),
    (keyed(order_by="(k, s s)"), "table t: order_by: cannot be parsed: it stops at character 7, before 's)'"),
    (keyed(order_by=["k", "lower(s) s"]), "table t: order_by: cannot be parsed: it stops at character 10, before 's'"),
    (keyed(partition_by="toYYYYMM(d"), f"table t: partition_by: {OPEN}"),
    (
        keyed(order_by="k", sample_by="k k"),
        "table t: sample_by: cannot be parsed: it stops at character 3, before 'k'",
    ),
    (
        table(engine=Engine("Merge", "currentDatabase(), 's3cret' 's3cret'")),
        "table t: engine: cannot be parsed: it stops at character 29",
    ),
    (
        View("w", query="SELECT 'é', k FROM t\nWHER k = 1"),
        "view w: query: cannot be parsed: it stops at character 27, before 'k = 1'",
    ),
    (
        MaterializedView("w", query="SELECT k FROM t GROUP k", engine=OWN),
        "materialized view w: query: cannot be parsed: it stops at character 23, before 'k'",
    ),
    (
        MaterializedView("w", query="SELECT k FROM t", engine=OWN, refresh="EVERY 1 HOURR"),
        "materialized view w: refresh: cannot be parsed: it stops at character 9, before 'HOURR'",
    ),
    (dictionary(layout="FLAT(x"), f"dictionary w: layout: {OPEN}"),
    (
        dictionary(source="CLICKHOUSE(PASSWORD 's3cret' TABLE 't'"),
        "dictionary w: source: cannot be parsed: a bracket or a quote is left open, or one too many",
    ),
    (
        Function("wrong_unparsable", "(x) -> x + 1 1"),
        "function wrong_unparsable: cannot be parsed: it stops at character 14, before '1'",
    ),
]


@pytest.mark.parametrize(("wrong", "said"), CASES, ids=[said.rpartition(": cannot")[0] for _, said in CASES])
@pytest.mark.parametrize("there", [False, True])
def test_it_is_said_which_and_where(aaiclick_client: Client, wrong: Table, said: str, there: bool) -> None:
    if there:
        ensure_schema(aaiclick_client, Schema("texts", objects=[table()]))
    objects = [wrong] if isinstance(wrong, Table) else [table(), wrong]
    with pytest.raises(SpecError) as refused:
        plan_schema(aaiclick_client, Schema("texts", objects=objects))
    assert str(refused.value) == said
    assert "s3cret" not in str(refused.value)


def test_what_is_wrong_otherwise_is_said_as_before(aaiclick_client: Client) -> None:
    with pytest.raises(SpecError, match=r"table t: .*nowhere"):
        plan_schema(aaiclick_client, Schema("texts", objects=[table(indexes=[Index("i", expr="nowhere + 1")])]))
