"""What stands behind an ALIAS in an index expression."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aaiclick.catalog.forms import ColumnForm, IndexForm, TableForm
from aaiclick.catalog.parse.expanded_aliases import without_aliases
from aaiclick.diff.compare import diff_table
from aaiclick.diff.target import make_target
from aaiclick.specs import Column, Index, MergeTree, Table

ALIASES = {"x": "a", "y": "x + 5", "f": "toDate(a)", "ü": "`b c`"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("toDate(x)", "toDate(a)"),
        ("toDate(y)", "toDate(a + 5)"),
        ("y * 2", "(a + 5) * 2"),
        ("(x, y, k)", "(a, a + 5, k)"),
        ("f + 1", "toDate(a) + 1"),
        ("x(1)", "x(1)"),
        ("`ü` + 1", "`b c` + 1"),
        ("'x", "'x"),
    ],
)
def test_what_is_behind_an_alias(text: str, shown: str) -> None:
    assert without_aliases(text, ALIASES) == shown


@pytest.mark.parametrize(("alias", "differences"), [("a", 0), ("a + 1", 2)])
def test_an_index_shown_with_what_is_behind_its_alias_is_no_difference(alias: str, differences: int) -> None:
    """The index counts as another one where the ALIAS has another expression."""
    form = TableForm(
        "t",
        "MergeTree",
        (ColumnForm("a", "DateTime"), ColumnForm("x", "DateTime", "ALIAS", "a")),
        order_by="a",
        indexes=(IndexForm("i", "toDate(a)", "minmax", "1"),),
    )
    columns = (form.columns[0], replace(form.columns[1], expression=alias))
    wanted = replace(form, columns=columns, indexes=(replace(form.indexes[0], expression="toDate(x)"),))
    table = Table(
        "t",
        [Column("a", "DateTime"), Column("x", "DateTime", alias=alias)],
        engine=MergeTree(order_by=["a"]),
        indexes=[Index("i", expr="toDate(x)", type="minmax")],
    )
    assert len(diff_table(form, make_target(table, wanted, form))) == differences
