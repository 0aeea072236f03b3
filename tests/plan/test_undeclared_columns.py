"""Undeclared columns stay where they are: where they stand is nobody's concern."""

from __future__ import annotations

import pytest

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import make_target
from aaiclick.specs import Column, MergeTree, Table


def changes(live: str, declared: str, renames: dict[str, str] | None = None) -> tuple[list[str], str]:
    """The words of what differs, and the order of the target's columns."""
    live_form = TableForm("t", "MergeTree", tuple(ColumnForm(name, "UInt8") for name in live), order_by="a")
    declared_form = TableForm("t", "MergeTree", tuple(ColumnForm(name, "UInt8") for name in declared), order_by="a")
    table = Table("t", [Column(name, "UInt8") for name in declared], engine=MergeTree(order_by=["a"]))
    target = make_target(table, declared_form, live_form, renames)
    return [change.words for change in diff_table(live_form, target)], "".join(
        column.name for column in target.form.columns
    )


@pytest.mark.parametrize("live", ["abxc", "xabc", "axybc", "abcx", "xaybzc"])
def test_undeclared_columns_anywhere_are_no_difference(live: str) -> None:
    assert changes(live, "abc") == ([], live)


def test_a_new_column_goes_behind_its_declared_neighbour() -> None:
    assert changes("axb", "anb") == (["column n is missing"], "axnb")


def test_declared_columns_are_put_in_order_among_themselves() -> None:
    words, order = changes("axcb", "abc")
    assert len(words) == 1
    assert order.replace("x", "") == "abc"


def test_a_undeclared_column_stays_behind_a_renamed_one() -> None:
    assert changes("abxc", "aec", {"b": "e"}) == (["column b is renamed to e"], "aexc")
