"""An expression of a migration over a column by which an engine combines rows: by name, with a count, where other rows
meet or survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Migration, Rebuild, Schema, Table, ensure_schema, plan_schema
from aaiclick.errors import SchemaVersionError
from aaiclick.specs.engines import (
    AggregatingMergeTree,
    CollapsingMergeTree,
    MergeTree,
    ReplacingMergeTree,
    SummingMergeTree,
    VersionedCollapsingMergeTree,
)
from tests.migrations.building import rows

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

K, V = Column("k", "String"), Column("v", "Int64")
SIGN = Column("sign", "Int8")
SUM = Column("n", "SimpleAggregateFunction(sum, Int64)")
KEYED = [
    ReplacingMergeTree(order_by=["k"]),
    SummingMergeTree(order_by=["k"]),
    AggregatingMergeTree(order_by=["k", "v"]),
    CollapsingMergeTree(sign="sign", order_by=["k"]),
]


def prepare(client: Client, engine: MergeTree, *more: Column, values: str) -> Table:
    declared = Table("t", [K, V, *more], engine=engine)
    ensure_schema(client, Schema("s", version=1, objects=[declared]))
    client.command("SYSTEM STOP MERGES t")
    for row in values.split("; "):
        client.command(f"INSERT INTO t VALUES {row}")
    return declared


def jump(declared: Table, **columns: str) -> Schema:
    return Schema(
        "s",
        version=2,
        objects=[declared],
        migrations=[Migration(2, rebuild={"t": Rebuild(columns=columns)}, oldest_code=1)],
    )


@pytest.mark.parametrize("engine", KEYED, ids=lambda engine: engine.engine_name)
def test_keys_that_meet(aaiclick_client: Client, engine: MergeTree) -> None:
    more = (
        (SIGN,)
        if engine.engine_name == "CollapsingMergeTree"
        else (SUM,)
        if engine.engine_name == "AggregatingMergeTree"
        else ()
    )
    tail = ", 1" if more else ""
    declared = prepare(aaiclick_client, engine, *more, values=f"('a', 1{tail}); ('A', 1{tail}); ('b', 3{tail})")
    schema = jump(declared, k="lower(k)")
    (step,) = plan_schema(aaiclick_client, schema).steps
    (asked,) = [hazard for hazard in step.hazards if hazard.allow]
    assert asked.allow == "change-sort-key t"
    assert asked.message == f"{engine.engine_name} combines rows of the same sort key: rows of 3 keys are combined to 2"
    with pytest.raises(SchemaVersionError, match="--allow 'change-sort-key t'"):
        ensure_schema(aaiclick_client, schema)
    assert len(rows(aaiclick_client)) == 3


@pytest.mark.parametrize("engine", KEYED[:2], ids=lambda engine: engine.engine_name)
def test_keys_that_fall_apart(aaiclick_client: Client, engine: MergeTree) -> None:
    declared = prepare(aaiclick_client, engine, values="('a', 1); ('a', 2)")
    (step,) = plan_schema(aaiclick_client, jump(declared, k="concat(k, toString(v))")).steps
    (asked,) = [hazard for hazard in step.hazards if hazard.allow]
    assert (asked.kind, asked.allow) == ("changes-values", "change-sort-key t")
    assert "rows of 1 key, which it would combine, stay apart as 2" in asked.message


@pytest.mark.parametrize("engine", KEYED[:2], ids=lambda engine: engine.engine_name)
def test_keys_that_stay_their_own_ask_nothing(aaiclick_client: Client, engine: MergeTree) -> None:
    declared = prepare(aaiclick_client, engine, values="('a', 1); ('a', 2); ('b', 3)")
    schema = jump(declared, k="concat('x', k)", v="v * 2")
    assert not [hazard for hazard in plan_schema(aaiclick_client, schema).hazards if hazard.allow]
    ensure_schema(aaiclick_client, schema)
    assert {row[0] for row in rows(aaiclick_client)} == {"xa", "xb"}


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("-v", "1 key, for instance ('a'): [(1,-1),(2,-2)]"),
        ("intDiv(v, 10)", "1 key, for instance ('a'): [(1,0),(2,0)]"),
        ("v * 2", ""),
        ("v + 1", ""),
    ],
)
def test_a_version_that_becomes_another(aaiclick_client: Client, expression: str, asked: str) -> None:
    declared = prepare(
        aaiclick_client, ReplacingMergeTree(version="v", order_by=["k"]), values="('a', 1); ('a', 2); ('b', 7)"
    )
    (step,) = plan_schema(aaiclick_client, jump(declared, v=expression)).steps
    found = [hazard for hazard in step.hazards if hazard.allow]
    assert [(hazard.kind, hazard.allow) for hazard in found] == ([("loses-rows", "change-sort-key t")] if asked else [])
    assert (
        not asked
        or f"merges compare rows by v, which becomes {expression}: other rows of t survive ({asked})"
        in found[0].message
    )


@pytest.mark.parametrize(
    ("engine", "more", "other"),
    [
        (CollapsingMergeTree(sign="sign", order_by=["k"]), SIGN, -1),
        (VersionedCollapsingMergeTree(sign="sign", version="v", order_by=["k"]), SIGN, -1),
        (ReplacingMergeTree(version="v", is_deleted="sign", order_by=["k"]), Column("sign", "UInt8"), 0),
    ],
    ids=lambda what: getattr(what, "engine_name", ""),
)
def test_a_sign_that_becomes_another(aaiclick_client: Client, engine: MergeTree, more: Column, other: int) -> None:
    declared = prepare(aaiclick_client, engine, more, values="('a', 1, 1); ('b', 2, 1)")
    (step,) = plan_schema(aaiclick_client, jump(declared, sign=f"if(k = 'a', 1, {other})")).steps
    (asked,) = [hazard for hazard in step.hazards if hazard.allow]
    assert asked.allow == "change-sort-key t"
    assert f"merges remove other rows of t (1 row, for instance ('b'): (1) -> ({other}))" in asked.message
    assert not [
        hazard for hazard in plan_schema(aaiclick_client, jump(declared, sign="abs(sign)")).hazards if hazard.allow
    ]


def test_partitions_that_become_others(aaiclick_client: Client) -> None:
    engine = ReplacingMergeTree(order_by=["k"], partition_by=["v"])
    declared = prepare(aaiclick_client, engine, values="('a', 1); ('a', 2)")
    (step,) = plan_schema(aaiclick_client, jump(declared, v="0")).steps
    (asked,) = [hazard for hazard in step.hazards if hazard.allow]
    assert asked.allow == "change-partition-key t"
    assert not [hazard for hazard in plan_schema(aaiclick_client, jump(declared, v="v + 1")).hazards if hazard.allow]


def test_an_engine_that_keeps_every_row_asks_nothing(aaiclick_client: Client) -> None:
    declared = prepare(aaiclick_client, MergeTree(order_by=["k"]), values="('a', 1); ('A', 2)")
    schema = jump(declared, k="lower(k)")
    assert not [hazard for hazard in plan_schema(aaiclick_client, schema).hazards if hazard.allow]
    ensure_schema(aaiclick_client, schema)
    assert len(rows(aaiclick_client)) == 2
