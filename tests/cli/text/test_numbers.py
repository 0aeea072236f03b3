"""Numbers as people read them."""

from __future__ import annotations

import pytest

from aaiclick.cli.text.numbers import count_text, rows_text, short_text
from aaiclick.printable import seconds_text


@pytest.mark.parametrize(
    ("rows", "text"), [(0, "0 rows"), (1, "1 row"), (1000, "1,000 rows"), (1234567, "1,234,567 rows")]
)
def test_rows(rows: int, text: str) -> None:
    assert rows_text(rows) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 minute"),
        (200, "3 minutes and 20 seconds"),
        (3599.7, "1 hour"),
        (7500, "2 hours and 5 minutes"),
        (86400, "1 day"),
        (100000, "1 day and 4 hours"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (999.6, "1.00k"),
        (12_345, "12.3k"),
        (999_949, "1.00M"),
        (2.5e6, "2.50M"),
        (3e9, "3.00G"),
        (4e12, "4.00T"),
    ],
)
def test_short_numbers(number: float, text: str) -> None:
    assert short_text(number) == text


def test_counts() -> None:
    assert count_text(1, "step", "steps") == "1 step"
    assert count_text(1200, "step", "steps") == "1,200 steps"
