"""FINAL and a merge of everything, before against after: what the copy itself makes other rows of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick import Plan
from tests.fuzz.ground import Ground
from tests.fuzz.play import judged, prepared
from tests.fuzz.schema import Batch, Column, Engine, State, Table, World
from tests.fuzz.types import enum, plain

KEY, VALUE, LABEL = Column("k", plain("UInt8")), Column("v", plain("UInt64")), Column("e", enum((("a", 1), ("b", 2))))
ROWS = (
    Batch("t", ({"k": "1", "v": "5", "e": "'a'"},)),
    Batch("t", ({"k": "1", "v": "7", "e": "'b'"},)),
    Batch("t", ({"k": "3", "v": "0", "e": "'a'"},)),
)
SUMMING, REPLACING = (
    Table("t", (KEY, VALUE, LABEL), Engine(f"{name}MergeTree", columns), order_by=("`k`",))
    for name, columns in (("Summing", ()), ("Replacing", ("v",)))
)


def combined(ground: Ground, before: Table, after: Table) -> str:
    return prepared(ground, World(0, State((before,)), State((after,)), ROWS))[0].combined


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SUMMING, replace(SUMMING, columns=(KEY, replace(VALUE, type=plain("String")), LABEL))),
        (SUMMING, replace(SUMMING, order_by=("`k`", "`e`"))),
        (SUMMING, replace(SUMMING, engine=Engine("ReplacingMergeTree"))),
        (REPLACING, replace(REPLACING, order_by=("`e`",))),
        (REPLACING, replace(REPLACING, engine=Engine("ReplacingMergeTree"), order_by=("`k`", "`v`"))),
        (REPLACING, replace(REPLACING, partition_by="`v`")),
    ],
    ids=lambda table: f"{table.engine.sql} {table.partition_by}",
)
def test_rows_that_are_combined_otherwise_are_found(ground: Ground, before: Table, after: Table) -> None:
    assert "shows other rows than before" in combined(ground, before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SUMMING, SUMMING),
        (
            SUMMING,
            replace(
                SUMMING, columns=(replace(KEY, type=plain("UInt32")), replace(VALUE, type=plain("UInt256")), LABEL)
            ),
        ),
        (
            REPLACING,
            replace(REPLACING, columns=(KEY, VALUE, replace(LABEL, type=enum((("a", 1), ("mid", 2), ("b", 3)))))),
        ),
        (REPLACING, replace(REPLACING, partition_by="`k`")),
        (REPLACING, replace(REPLACING, order_by=("`k` DESC",), settings=(("allow_experimental_reverse_key", "1"),))),
    ],
    ids=lambda table: f"{table.engine.sql} {table.partition_by}",
)
def test_rows_that_are_combined_as_before_are_none(ground: Ground, before: Table, after: Table) -> None:
    assert combined(ground, before, after) == ""


def test_it_is_a_failure_where_the_plan_asks_nothing(ground: Ground) -> None:
    world = World(0, State((REPLACING,)), State((replace(REPLACING, order_by=("`e`",)),)), ROWS)
    plan = Plan("fuzz", ground.live, None, None, (), "", "")
    assert [failure.kind for failure in judged(world, prepared(ground, world), plan).failures] == ["combined"]
