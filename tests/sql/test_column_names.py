"""Names in expressions, bound to other expressions."""

from __future__ import annotations

import pytest

from aaiclick.sql.column_names import bound, mentioned, mentions, names_in, renamed_columns
from aaiclick.sql.tokens import TokenError
from aaiclick.testing.engine import EmbeddedEngine


@pytest.mark.parametrize(
    ("expression", "texts", "value"),
    [
        ("k + 1", {"k": "toUInt8(4)"}, "5"),
        ("`g.h` + 1", {"g.h": "4"}, "5"),
        ("g.h + `g.h` * k", {"g.h": "4", "k": "2"}, "12"),
        ("arraySum(n.p) + length(n.q)", {"n.p": "[1, 2]", "n.q": "['a']"}, "4"),
        ("plus(k, 1)", {"plus": "9", "k": "1"}, "2"),
        ("t.a + 1", {"t": "tuple(3)::Tuple(a UInt8)"}, "4"),
        ("(`select` IS NULL) OR (SELECT.a > 1)", {"select": "NULL", "SELECT": "tuple(1)::Tuple(a UInt8)"}, "1"),
    ],
)
def test_what_is_bound_is_read(
    aaiclick_engine: EmbeddedEngine, expression: str, texts: dict[str, str], value: str
) -> None:
    assert aaiclick_engine.command(f"SELECT {bound(expression, texts)}").strip() == value


def test_a_column_called_select_begins_no_bracket() -> None:
    """25.8 writes it without quotes, and reads a query in that."""
    assert "(`select` IS NULL)" not in bound("(`select` IS NULL) AND k", {"select": "identity(`select`)"})


def test_nothing_is_bound_where_nothing_is_named() -> None:
    assert bound("a + b.c", {"a": "`a`", "b.c": "`b.c`", "d": "1"}) == "a + b.c"


def test_columns_are_renamed_and_functions_are_not() -> None:
    pairs = [("n.x", "other"), ("t", "`a b`"), ("f", "g")]
    assert renamed_columns("f(n.x, `t`.a, 't') + f", pairs) == "f(other, `a b`.a, 't') + g"


@pytest.mark.parametrize("expression", ["k § 1", "k #all of it", "(k"])
def test_what_cannot_be_read_may_read_anything(expression: str) -> None:
    """The server takes the first two."""
    assert mentioned(expression, ["a", "k"]) == {"a", "k"}
    assert mentions(expression, "a")
    with pytest.raises(TokenError):
        names_in(expression)
    with pytest.raises(TokenError):
        bound(expression, {"a": "1"})
    assert bound(expression, {"a": "`a`"}) == expression
