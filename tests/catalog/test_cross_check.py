"""A cut that the system tables contradict is not trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.cross_check import ColumnFacts, KeyFacts, cross_check
from aaiclick.catalog.forms import ColumnForm, TableForm, ViewForm

FORM = TableForm(
    "t",
    "MergeTree",
    (ColumnForm("a", "JSON(x = 1)"), ColumnForm("b", "UInt8", "DEFAULT", "1")),
    partition_by="(b)",
    primary_key="a",
    order_by="(a, b)",
)
KEYS = KeyFacts(sorting="a, b", primary="a", partition="(b)", sampling="")
COLUMNS = (ColumnFacts("a", "JSON(x=1)", ""), ColumnFacts("b", "UInt8", "DEFAULT"))


def test_nothing_contradicts() -> None:
    assert cross_check(FORM, KEYS, COLUMNS) == ""
    assert cross_check(FORM) == ""
    assert cross_check(ViewForm("v", "SELECT 1"), KEYS, COLUMNS) == ""


@pytest.mark.parametrize(
    ("order_by", "sorting"),
    [
        ("tuple(a DESC, b)", "a, b"),
        ("a DESC", "a"),
        ("tuple()", ""),
        ("(a)", "(a)"),
        ("(f(a), g(b, a))", "f(a), g(b, a)"),
        ("((a, b), c)", "(a, b), c"),
    ],
)
def test_how_the_server_writes_a_sort_key(order_by: str, sorting: str) -> None:
    assert cross_check(replace(FORM, order_by=order_by, primary_key=""), KeyFacts(sorting, sorting, "b", "")) == ""


def test_a_version_column_belongs_to_the_sort_key_it_shows() -> None:
    form = replace(FORM, engine="VersionedCollapsingMergeTree", arguments="s, v", order_by="a")
    assert cross_check(form, KeyFacts("a, v", "a", "b", "")) == ""
    assert cross_check(form, KeyFacts("a, w", "a", "b", "")) != ""


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (replace(KEYS, sorting="a"), "its sort key was read as (a, b), the server says a"),
        (replace(KEYS, partition=""), "its partition key was read as (b), the server says none"),
        (replace(KEYS, primary="a, b"), "its primary key was read as a, the server says a, b"),
        (replace(KEYS, sampling="a"), "its sampling key was read as none, the server says a"),
    ],
)
def test_a_contradicted_key(keys: KeyFacts, reason: str) -> None:
    assert cross_check(FORM, keys) == reason


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS[:1],
        COLUMNS[::-1],
        (COLUMNS[0], ColumnFacts("b", "UInt16", "DEFAULT")),
        (COLUMNS[0], ColumnFacts("b", "UInt8", "ALIAS")),
        (),
    ],
)
def test_contradicted_columns(columns: tuple[ColumnFacts, ...]) -> None:
    assert cross_check(FORM, KEYS, columns) == "its definition was cut differently from system.columns"


def test_keys_of_other_engines_are_not_in_the_system_tables() -> None:
    assert cross_check(TableForm("t", "EmbeddedRocksDB", FORM.columns, primary_key="a"), KeyFacts("", "", "", "")) == ""
