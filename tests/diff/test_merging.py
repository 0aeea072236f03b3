"""What merges do with a column, before and after it changes. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.merging import KEEPS_ONE, added_up, altered, role, ties_matter


def table(engine: str, *columns: ColumnForm, arguments: str = "") -> TableForm:
    return TableForm("t", engine, (ColumnForm("k", "UInt64"), *columns), arguments=arguments, order_by="k")


@pytest.mark.parametrize(
    ("engine", "arguments", "old", "new", "same"),
    [
        ("SummingMergeTree", "", "UInt64", "String", False),
        ("SummingMergeTree", "", "UInt64", "DateTime", False),
        ("SummingMergeTree", "", "UInt64", "Float64", False),
        ("SummingMergeTree", "", "UInt64", "UInt32", False),
        ("SummingMergeTree", "", "String", "UInt64", False),
        ("SummingMergeTree", "", "UInt8", "Bool", False),
        ("SummingMergeTree", "", "Bool", "UInt8", False),
        ("SummingMergeTree", "", "Bool", "Enum8('false' = 0, 'true' = 1)", False),
        ("SummingMergeTree", "", "Bool", "String", False),
        ("SummingMergeTree", "", "Decimal(9, 2)", "Decimal(18, 4)", False),
        ("SummingMergeTree", "", "UInt32", "UInt64", True),
        ("SummingMergeTree", "", "UInt32", "Int64", True),
        ("SummingMergeTree", "", "UInt32", "Nullable(UInt64)", True),
        ("SummingMergeTree", "", "Decimal(9, 2)", "Decimal(18, 2)", True),
        ("SummingMergeTree", "", "Float32", "Float64", True),
        ("SummingMergeTree", "", "String", "LowCardinality(String)", True),
        ("SummingMergeTree", "", "Date", "DateTime", True),
        ("SummingMergeTree", "w", "UInt64", "String", True),
        ("SummingMergeTree", "(v, w)", "UInt64", "String", False),
        ("ReplacingMergeTree", "v", "UInt32", "UInt64", True),
        ("ReplacingMergeTree", "v", "UInt32", "DateTime", False),
        ("ReplacingMergeTree", "v", "UInt32", "String", False),
        ("ReplacingMergeTree", "v", "DateTime", "DateTime64(3)", True),
        ("ReplacingMergeTree", "w", "UInt32", "String", True),
        ("VersionedCollapsingMergeTree", "sign, v", "Date", "String", False),
        ("AggregatingMergeTree", "", "UInt64", "String", True),
        ("CoalescingMergeTree", "", "Nullable(UInt64)", "Nullable(String)", True),
        ("GraphiteMergeTree", "'rollup'", "UInt64", "Float64", False),
        ("ReplicatedSummingMergeTree", "'/a', 'r'", "UInt64", "String", False),
    ],
)
def test_another_type_plays_the_same_part_only_where_that_is_known(
    engine: str, arguments: str, old: str, new: str, same: bool
) -> None:
    before, after = ColumnForm("v", old), ColumnForm("v", new)
    said = altered(table(engine, before, arguments=arguments), table(engine, after, arguments=arguments), before, after)
    assert (said == "") is same, said


@pytest.mark.parametrize("new", ["Array(String)", "String"])
@pytest.mark.parametrize("old", ["Array(UInt8)", "Ring"])
def test_older_releases_keep_the_first_array_where_they_keep_the_last_of_everything_else(old: str, new: str) -> None:
    """Asked of 25.8."""
    before, after = ColumnForm("v", old), ColumnForm("v", new)
    forms = table("CoalescingMergeTree", before), table("CoalescingMergeTree", after)
    assert altered(*forms, before, after) == ""
    assert (altered(*forms, before, after, first_of_arrays=True) == "") is new.startswith("Array")


def test_a_part_of_a_map_is_added_up_by_its_keys_and_elsewhere_it_is_not() -> None:
    old, new = ColumnForm("n.v", "Array(UInt64)"), ColumnForm("nMap.v", "Array(UInt64)")
    assert altered(table("SummingMergeTree", old), table("SummingMergeTree", new), old, new)
    wider = ColumnForm("nMap.v", "Array(String)")
    assert altered(table("SummingMergeTree", new), table("SummingMergeTree", wider), new, wider)


@pytest.mark.parametrize(("name", "written"), [("a`b", r"`a\`b`"), ("a\\b", r"`a\\b`"), ("a b", "`a b`")])
def test_a_name_is_known_however_it_is_quoted_among_the_arguments(name: str, written: str) -> None:
    old, floating, words = (ColumnForm(name, kind) for kind in ("UInt64", "Float64", "String"))
    summing = table("SummingMergeTree", old, arguments=written), table("SummingMergeTree", floating, arguments=written)
    assert altered(*summing, old, floating)
    versions = (
        table("ReplacingMergeTree", old, arguments=written),
        table("ReplacingMergeTree", words, arguments=written),
    )
    assert altered(*versions, old, words)


def test_numbers_are_added_up_unless_they_are_of_the_key_or_not_listed() -> None:
    columns = (
        ColumnForm("v", "UInt64"),
        ColumnForm("w", "Nullable(Float32)"),
        ColumnForm("b", "Bool"),
        ColumnForm("d", "Date"),
    )
    assert added_up(table("SummingMergeTree", *columns)) == ("v", "w", "b")
    assert added_up(table("SummingMergeTree", *columns, arguments="w")) == ("w",)
    assert added_up(table("ReplacingMergeTree", *columns)) == ()


@pytest.mark.parametrize(
    ("order_by", "kept"),
    [
        ("k", False),
        ("(`k`, v)", False),
        ("k DESC", False),
        ("intDiv(k, 10)", True),
        ("(intDiv(k, 10), k)", False),
        ("-k", True),
    ],
)
def test_a_column_that_the_key_only_computes_something_from_keeps_one_of_its_values(order_by: str, kept: bool) -> None:
    form = replace(
        table("AggregatingMergeTree", ColumnForm("v", "SimpleAggregateFunction(sum, UInt64)")), order_by=order_by
    )
    assert role(form, form.columns[0]) == (KEEPS_ONE if kept else "")
    assert ties_matter(form) is kept
    assert added_up(replace(form, engine="SummingMergeTree")) == ()
