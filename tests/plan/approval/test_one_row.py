"""Texts about one row, beside those about several."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.printable import all_text, count_text, count_that, in_plural, rows_text, rows_that


def test_one_row_is_one_row() -> None:
    assert [rows_text(count) for count in (0, 1, 1000)] == ["0 rows", "1 row", "1,000 rows"]
    assert rows_that(1, "hold NULL in c") == "1 row holds NULL in c"
    assert rows_that(2, "hold NULL in c") == "2 rows hold NULL in c"


@pytest.mark.parametrize(
    "text", ["1 rows hold NULL", "t: 1 rows, and 1 rows violate the constraint", "21 row", "1 rower"]
)
def test_it_compares_as_several(text: str) -> None:
    one = (
        text.replace("1 rows hold", "1 row holds")
        .replace("1 rows violate", "1 row violates")
        .replace("1 rows,", "1 row,")
    )
    assert in_plural(one) == text
    assert in_plural(text) == text


def test_one_of_anything_is_one() -> None:
    assert [count_text(count, "part") for count in (0, 1, 1000)] == ["0 parts", "1 part", "1,000 parts"]
    assert [count_text(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]
    assert [count_that(count, "part", "stay in t") for count in (1, 2)] == ["1 part stays in t", "2 parts stay in t"]
    assert [all_text(count, "row") for count in (1, 2)] == ["1 row", "all 2 rows"]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("written into 1 part that does not hold them", "written into 1 parts that do not hold them"),
        ("1 row of t is copied", "all 1 rows of t are copied"),
        ("rows of 1 key stay apart as 2", "rows of 1 keys stay apart as 2"),
        (
            "the 1 row that t holds already is not in it: backfill=True would bring it in",
            "the 1 rows that t holds already are not in it: backfill=True would bring them in",
        ),
    ],
)
def test_what_an_earlier_release_said_of_one_is_the_same(now: str, before: str) -> None:
    assert in_plural(now) == in_plural(before)
    assert in_plural("t is renamed: it is 1 day old") == "t is renamed: it is 1 day old"


PACKAGE = Path(__file__).parents[3] / "aaiclick"
COUNTED = re.compile(
    r" (?:arguments|attributes|chunks|columns|databases|entries|files|groups|hosts|inserts|keys|lines|parts|partitions"
    r"|replicas|rows|statements|steps|tables|values)\b"
)
NO_NUMBER = {"local_family(work.form).engine", "topology.shards", "now.rows"}
"""A name; never one, where that is said; a text that is put into the plural."""


def counted_by_hand(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and value of each f-string that puts a value in front of such a noun, and does not ask whether it is one."""
    asked = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp) and ("== 1" in ast.unparse(node.test) or ast.unparse(node.test) == "many")
        for each in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or id(node) in asked:
            continue
        for value, behind in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(behind, ast.Constant):
                counts = not isinstance(value.value, ast.IfExp) and ast.unparse(value.value) not in NO_NUMBER
                if counts and COUNTED.match(str(behind.value)):
                    yield node.lineno, ast.unparse(value.value)


def test_no_sentence_counts_by_hand() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {value}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, value in counted_by_hand(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
    assert list(counted_by_hand(ast.parse("f'{len(parts)} parts stay'"))) == [(1, "len(parts)")]
