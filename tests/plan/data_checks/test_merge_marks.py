"""Rows whose sign, mark of deletion or map an engine does not take: it could merge no part with one, or would drop
them."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import Migration, Policy, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import BlockedError

ALLOWED = Policy.lossless().allow("change-engine t", "retype t.m")
MARK = "k UInt8, v UInt8, d {}"
MAP = "k UInt8, m {}"
ARRAYS = "Tuple(Array(UInt8), Array(UInt64), Array(UInt64))"
# Columns and engine before, those after, a row that the new engine takes, one that it does not, and what is said of it.
CHANGES = {
    "mark of deletion": (
        f"({MARK.format('UInt8')}) ENGINE = ReplacingMergeTree(v)",
        f"({MARK.format('UInt8')}) ENGINE = ReplacingMergeTree(v, d)",
        "1, 1, 1",
        "1, 2, 2",
        "t: 1 row holds neither 0 nor 1 in d, for instance 2: ReplacingMergeTree does not take it, and no merge of",
    ),
    "sign": (
        f"({MARK.format('Int8')}) ENGINE = MergeTree",
        f"({MARK.format('Int8')}) ENGINE = CollapsingMergeTree(d)",
        "1, 1, -1",
        "1, 2, 0",
        "t: 1 row holds neither 1 nor -1 in d, for instance 0: CollapsingMergeTree does not take it, and merges would",
    ),
    "sign of a column of another type": (
        f"({MARK.format('Int16')}) ENGINE = MergeTree",
        f"({MARK.format('Int8')}) ENGINE = CollapsingMergeTree(d)",
        "1, 1, -1",
        "1, 2, 7",
        "t: 1 row holds neither 1 nor -1 in d, for instance 7",
    ),
    "arrays": (
        f"({MAP.format(ARRAYS)}) ENGINE = MergeTree",
        f"({MAP.format(f'SimpleAggregateFunction(maxMap, {ARRAYS})')}) ENGINE = AggregatingMergeTree",
        "1, ([1, 2], [3, 4], [5, 6])",
        "1, ([1, 2], [3, 4], [5])",
        "t: 1 row holds arrays of other sizes in m, for instance ([1,2],[3,4],[5]): AggregatingMergeTree does not take",
    ),
}


def declared(text: str, *migrations: Migration) -> Schema:
    table = Table.from_sql(f"CREATE TABLE t {text} ORDER BY k")
    return Schema("marks", version=1 + len(migrations), objects=[table], migrations=list(migrations))


@pytest.mark.parametrize("kind", CHANGES)
def test_a_row_that_the_engine_does_not_take_blocks(aaiclick_client: Client, kind: str) -> None:
    before, after, taken, refused, said = CHANGES[kind]
    aaiclick_client.command(f"CREATE TABLE t {before} ORDER BY k")
    for row in (taken, refused, taken):
        aaiclick_client.command(f"INSERT INTO t VALUES ({row})")
    with pytest.raises(BlockedError) as raised:
        ensure_schema(aaiclick_client, declared(after), policy=ALLOWED)
    assert said in str(raised.value)
    assert "Rebuild(columns=..., where=...)" in str(raised.value)
    column = "d" if "d UInt8" in after or "d Int8" in after else "m"
    aaiclick_client.command(f"DELETE FROM t WHERE {column} = CAST(tupleElement(({refused}), -1), toTypeName({column}))")
    ensure_schema(aaiclick_client, declared(after), policy=ALLOWED)
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")


@pytest.mark.parametrize("how", [{"columns": {"d": "if(d = 0, 1, d)"}}, {"where": "d != 0"}], ids=["columns", "where"])
def test_a_migration_gives_other_values_or_leaves_them_out(aaiclick_client: Client, how: dict[str, object]) -> None:
    before, after, *_ = CHANGES["sign"]
    ensure_schema(aaiclick_client, declared(before))
    aaiclick_client.command("INSERT INTO t VALUES (1, 1, 1), (2, 2, 0)")
    rebuild = Rebuild.model_validate(how)
    wanted = declared(after, Migration(version=2, allow=["change-engine t"], rebuild={"t": rebuild}))
    ensure_schema(aaiclick_client, wanted, policy=ALLOWED.allow("drop-rows t"))
    aaiclick_client.command("OPTIMIZE TABLE t FINAL")
    assert aaiclick_client.command("SELECT min(d) FROM t") == 1


def test_values_that_the_engine_merges_already_are_not_read_again(aaiclick_client: Client) -> None:
    _, after, taken, *_ = CHANGES["mark of deletion"]
    aaiclick_client.command(f"CREATE TABLE t {after} ORDER BY k")
    aaiclick_client.command(f"INSERT INTO t VALUES ({taken})")
    (step,) = plan_schema(aaiclick_client, declared(after.replace("k UInt8", "k UInt8 COMMENT 'key'"))).steps
    assert not step.reads
