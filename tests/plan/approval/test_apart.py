"""Where two texts part, for people. Pure."""

from __future__ import annotations

import pytest

from aaiclick.plan.approval.differing_words import differing_words

KEY = "CREATE TABLE t (a A, b B, c C, d D) ENGINE = MergeTree ORDER BY {} SETTINGS a = 1, b = 2, c = 3"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (
            KEY.format("a"),
            KEY.format("(a, b)"),
            tuple(f"... MergeTree ORDER BY {key} SETTINGS a = ..." for key in ("a", "(a, b)")),
        ),
        ("a b c d e x", "a b c d e y", ("a b c d e x", "a b c d e y")),
        ("a b c d e f x", "a b c d e f", ("... d e f x", "... d e f")),
        ("x x x", "x x", ("x x x", "x x")),
        ("", "x", ("", "x")),
    ],
)
def test_the_words_that_differ(before: str, now: str, said: tuple[str, str]) -> None:
    assert differing_words(before, now) == said
    assert differing_words(now, before) == (said[1], said[0])
