"""Which copies keep the order of rows: where a merge picks one of several rows that the engine takes for equals."""

from __future__ import annotations

import pytest

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.diff.merging import order_is_lost, order_matters, ties_matter

COLUMNS = "`k` UInt64, `n` UInt64, `s` String, `v` UInt8"


def form(engine: str, columns: str = COLUMNS) -> TableForm:
    made = split_create(f"CREATE TABLE d.t ({columns}) ENGINE = {engine} ORDER BY k", "d")
    assert isinstance(made, TableForm)
    return made


@pytest.mark.parametrize(
    ("engine", "columns", "always", "ties"),
    [
        ("MergeTree", COLUMNS, False, False),
        ("ReplacingMergeTree", COLUMNS, True, True),
        ("ReplacingMergeTree(v)", COLUMNS, False, True),
        ("SummingMergeTree", COLUMNS, False, True),
        ("SummingMergeTree", "`k` UInt64, `n` UInt64", False, False),
        ("SummingMergeTree(n)", COLUMNS, False, True),
        (
            "AggregatingMergeTree",
            "`k` UInt64, `m` SimpleAggregateFunction(max, UInt64), `c` AggregateFunction(uniq, UInt64)",
            False,
            False,
        ),
        ("AggregatingMergeTree", "`k` UInt64, `m` AggregateFunction(groupArray, UInt64)", False, True),
        ("AggregatingMergeTree", "`k` UInt64, `m` SimpleAggregateFunction(anyLast, UInt64)", True, True),
        ("AggregatingMergeTree", "`k` UInt64, `plain` String", False, True),
        ("CollapsingMergeTree(v)", COLUMNS, True, True),
        ("VersionedCollapsingMergeTree(v, n)", COLUMNS, False, True),
        ("CoalescingMergeTree", COLUMNS, True, True),
    ],
)
def test_order_of_rows(engine: str, columns: str, always: bool, ties: bool) -> None:
    made = form(engine, columns)
    assert (order_matters(made), ties_matter(made)) == (always, ties)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("", "d", False),
        ("tuple()", "(d, e)", False),
        ("d", "d", False),
        ("d", "(d)", False),
        ("d", "(toYear(e), d)", False),
        ("(d, e)", "(e, d)", False),
        ("d", "", True),
        ("d", "e", True),
        ("(d, e)", "d", True),
        ("toYYYYMM(e)", "toYear(e)", True),
    ],
)
def test_rows_of_several_partitions_that_meet_have_no_order(old: str, new: str, lost: bool) -> None:
    """On replicas, where blocks are numbered in each partition anew."""
    assert order_is_lost(old, new) is lost
