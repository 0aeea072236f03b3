"""Columns that leave the key of an engine that adds up, or come into it: by name where rows of one key are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aaiclick import Column, Policy, Schema, Table, ensure_schema, plan_schema
from aaiclick.specs.engines import AggregatingMergeTree, MergeTree, ReplacingMergeTree, SummingMergeTree
from aaiclick.specs.sql_objects import SqlTable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

X = {
    "SummingMergeTree": "UInt64",
    "AggregatingMergeTree": "SimpleAggregateFunction(sum, UInt64)",
    "ReplacingMergeTree": "UInt64",
}


def _schema(engine: MergeTree, kind: str = "") -> Schema:
    columns = [Column("k", "UInt8"), Column("x", kind or X[engine.engine_name])]
    return Schema("s", version=None, objects=[Table("t", columns, engine=engine)])


def _fill(client: Client, schema: Schema, *values: str) -> None:
    ensure_schema(client, schema)
    client.command("SYSTEM STOP MERGES t")
    for row in values:
        client.command(f"INSERT INTO t VALUES {row}")


@pytest.mark.parametrize("engine", [SummingMergeTree, AggregatingMergeTree])
@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "comes in"])
def test_equal_rows_ask_by_name(aaiclick_client: Client, engine: type[MergeTree], leaves: bool) -> None:
    keys = (["k", "x"], ["k"]) if leaves else (["k"], ["k", "x"])
    before, after = (_schema(engine(order_by=key)) for key in keys)
    _fill(aaiclick_client, before, "(1, 3)", "(2, 3)", "(1, 3)")
    (step,) = plan_schema(aaiclick_client, after).required
    (asked,) = [hazard for hazard in step.hazards if hazard.allow]
    assert (asked.kind, asked.allow) == ("changes-values", "change-sort-key t")
    what = "leaves the sort key, and its values are combined" if leaves else "comes into the sort key"
    assert f"x {what}" in asked.message
    assert "(1 row of t stands beside others of their key)" in asked.message
    ensure_schema(aaiclick_client, after, policy=Policy.lossless().allow("change-sort-key t"))
    shown = aaiclick_client.query("SELECT k, toUInt64(x) FROM t FINAL ORDER BY k").result_rows
    assert shown == [(1, 6 if leaves else 3), (2, 3)]


@pytest.mark.parametrize(
    ("engine", "kind", "values"),
    [
        (SummingMergeTree, "UInt64", ("(1, 3)", "(2, 3)")),
        (SummingMergeTree, "String", ("(1, 3)", "(1, 3)")),
        (AggregatingMergeTree, "SimpleAggregateFunction(max, UInt64)", ("(1, 3)", "(1, 3)")),
        (ReplacingMergeTree, "UInt64", ("(1, 3)", "(1, 3)")),
    ],
    ids=["rows of their own", "not added up", "max", "kept"],
)
def test_nothing_is_asked_where_the_values_stay(
    aaiclick_client: Client, engine: type[MergeTree], kind: str, values: tuple[str, ...]
) -> None:
    _fill(aaiclick_client, _schema(engine(order_by=["k", "x"]), kind), *values)
    right = aaiclick_client.query("SELECT * FROM t FINAL ORDER BY k").result_rows
    after = _schema(engine(order_by=["k"]), kind)
    assert not [hazard for hazard in plan_schema(aaiclick_client, after).hazards if hazard.allow]
    ensure_schema(aaiclick_client, after)
    assert aaiclick_client.query("SELECT * FROM t FINAL ORDER BY k").result_rows == right


@pytest.mark.parametrize("beside", [False, True], ids=["rows of their own", "rows of one key"])
@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (SummingMergeTree(order_by=["k", "x + 1"]), SummingMergeTree(order_by=["k"]), "change-sort-key t"),
        (
            ReplacingMergeTree(order_by=["k"], partition_by="x"),
            ReplacingMergeTree(order_by=["k"], partition_by=None),
            "change-partition-key t",
        ),
    ],
    ids=["expression", "partition key"],
)
def test_another_key_is_asked_for_where_rows_are_combined_otherwise(
    aaiclick_client: Client, old: MergeTree, new: MergeTree, key: str, beside: bool
) -> None:
    _fill(aaiclick_client, _schema(old), "(1, 3)", "(1, 4)" if beside else "(2, 4)")
    asked = {hazard.allow for hazard in plan_schema(aaiclick_client, _schema(new)).hazards if hazard.allow}
    assert asked == ({key} if beside else set())


_SUM = "SimpleAggregateFunction(sum, UInt64)"
_ONE = "s Int8 DEFAULT 1"
_OTHERWISE = [
    ("AggregatingMergeTree PARTITION BY x", _SUM, "", "(k, x)", "k"),
    ("SummingMergeTree", _SUM, "", "(k, x + 1)", "k"),
]
_ALIKE = [
    ("SummingMergeTree", _SUM, "", "(k, x)", "(k, x + 1)"),
    ("SummingMergeTree(s)", _SUM, _ONE, "(k, x)", "k"),
    ("ReplacingMergeTree", _SUM, "", "(k, x)", "k"),
    ("AggregatingMergeTree", "SimpleAggregateFunction(any_respect_nulls, UInt64)", "", "(k, x)", "k"),
    ("SummingMergeTree(s)", "UInt8", f"{_ONE}, `xMap.a` Array(UInt8) DEFAULT [1]", "(k, xMap.a)", "k"),
    ("VersionedCollapsingMergeTree(s, x)", "UInt64", _ONE, "(k, x)", "k"),
]


def test_it_is_asked_where_the_engine_makes_another_value(aaiclick_client: Client) -> None:
    client, tables, before = aaiclick_client, list[SqlTable](), list[object]()
    for place, (engine, kind, beside, now, later) in enumerate([*_OTHERWISE, *_ALIKE]):
        name = f"t{place}"
        made = f"CREATE TABLE {name} (k UInt8, x {kind}{beside and ', '}{beside}) ENGINE = {engine} ORDER BY "
        client.command(made + now, settings={"allow_suspicious_primary_key": 1})
        client.command(f"SYSTEM STOP MERGES {name}")
        for value in (3, 4) if engine.startswith("Versioned") else (3, 3):
            client.command(f"INSERT INTO {name} (k, x) VALUES (1, {value})")
        before.append(_merged(client, name))
        tables.append(Table.from_sql(made + later))
    assert all(before)
    schema = Schema("s", version=None, objects=tables)
    asked = {hazard.allow for hazard in plan_schema(client, schema).hazards if hazard.allow}
    assert asked == {f"change-sort-key t{place}" for place in range(len(_OTHERWISE))}
    ensure_schema(client, schema, policy=Policy.lossless().allow(*asked))
    changed = [place for place, rows in enumerate(before) if _merged(client, f"t{place}") != rows]
    assert changed == list(range(len(_OTHERWISE)))


def _merged(client: Client, table: str) -> object:
    return client.query(f"SELECT * FROM {table} FINAL ORDER BY ALL").result_rows


def test_another_partition_key_does_not_hide_it(aaiclick_client: Client) -> None:
    columns = [Column("p", "UInt8"), Column("k", "UInt8"), Column("x", "UInt64")]
    before, after = (
        Schema("s", version=None, objects=[Table("t", columns, engine=engine)])
        for engine in (
            SummingMergeTree(order_by=["k", "x"], partition_by="p"),
            SummingMergeTree(order_by=["k"], partition_by="intDiv(p, 2)"),
        )
    )
    _fill(aaiclick_client, before, "(1, 1, 3)", "(1, 1, 3)")
    keys = {hazard.allow for hazard in plan_schema(aaiclick_client, after).hazards if hazard.allow}
    assert keys == {"change-partition-key t", "change-sort-key t"}


def test_zeros_of_both_signs_are_one_key(aaiclick_client: Client) -> None:
    """A merge takes them for one, and a count of hashes for two."""
    columns = [Column("k", "Float64"), Column("x", "UInt64")]
    for key in ("x + 1", "x"):
        before, after = (
            Schema("s", version=None, objects=[Table("t", columns, engine=SummingMergeTree(order_by=order))])
            for order in (["k", key], ["k"])
        )
        _fill(aaiclick_client, before, "(0.0, 1)", "(-0.0, 2)")
        assert "change-sort-key t" in {hazard.allow for hazard in plan_schema(aaiclick_client, after).hazards}
        aaiclick_client.command("DROP TABLE t")
