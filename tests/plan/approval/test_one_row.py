"""Texts about one row, beside those about several."""

from __future__ import annotations

import pytest

from aaiclick.printable import in_plural, rows_text, rows_that


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
