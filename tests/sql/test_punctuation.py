"""Brackets and separators are found outside of quotes only."""

from __future__ import annotations

import pytest

from aaiclick.sql.quoting import punctuation


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tuple(a, b)", "(,)"),
        ("Enum8('a,b' = 1, '(' = 2)", "(,)"),
        ("'it''s, \\', (' [`a)`]; {\"}\"}", "[];{}"),
        ("a, 'no end, (", ",'"),
        ("a, 'no end \\", ",'"),
    ],
)
def test_outside_of_quotes(text: str, found: str) -> None:
    seen = list(punctuation(text))
    assert "".join(sign for _, sign in seen) == found
    assert all(text[position] == sign for position, sign in seen)
