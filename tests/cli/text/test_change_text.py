"""Several changes of one object in one text."""

from __future__ import annotations

import pytest

from aaiclick.cli.text.change_text import clauses, headline, one_each


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("table is missing", ["table is missing"]),
        (
            "column a is missing; sort key a -> (a, b); TTL none",
            ["column a is missing", "sort key a -> (a, b)", "TTL none"],
        ),
        ("default 'x; y' -> 'it\\'s; z'; type A -> B", ["default 'x; y' -> 'it\\'s; z'", "type A -> B"]),
        ("default '\\\\'; b", ["default '\\\\'", "b"]),
        ("key f(a; b) -> c; column `a; b` is missing", ["key f(a; b) -> c", "column `a; b` is missing"]),
        ("it's an apostrophe; two", ["it's an apostrophe; two"]),
        ("(left open; two", ["(left open; two"]),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    assert list(clauses(text)) == parts


def test_each_change_names_its_object() -> None:
    assert one_each("t: a; b") == ("t: a", "t: b")
    assert one_each("no object; here") == ("no object; here",)


def test_headlines() -> None:
    assert headline("sort key a -> b") == "sort key a -> b"
    assert headline("a; b; c") == "3 changes"
