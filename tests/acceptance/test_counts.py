"""How the counts of docs/compatibility.md are made."""

from __future__ import annotations

import pytest

from tests.acceptance.counts import Note, reason, tables


@pytest.mark.parametrize(
    ("said", "short"),
    [
        (
            "Code: 115. DB::Exception: Unknown setting 'x': for storage MergeTree. (UNKNOWN_SETTING)",
            "Unknown setting 'x' (code 115)",
        ),
        (
            "Code: 62. DB::Exception: Syntax error: failed at position 94 ('DESC'): DESC, c2 DESC) SETTINGS",
            "Syntax error: at 'DESC' (code 62)",
        ),
        (
            "Code: 50. DB::Exception: Unknown data type family: QBit. Maybe you meant: ['BIT']. (UNKNOWN_TYPE)",
            "Unknown data type family: QBit (code 50)",
        ),
        ("HTTP 500: Code: 47. DB::Exception: Missing columns: 'a' while processing", "Missing columns (code 47)"),
        ("no such host", "no such host"),
    ],
)
def test_a_reason_is_the_sentence_without_the_case(said: str, short: str) -> None:
    assert reason(said) == short


def test_a_case_that_ran_twice_counts_once_and_a_pair_gives_no_reason_of_its_own() -> None:
    refused = "Code: 50. DB::Exception: Unknown data type family: QBit. (UNKNOWN_TYPE)"
    notes = [
        Note("24.8", "pair", "a", refused),
        Note("24.8", "table", "t1", refused),
        Note("25.8", "pair", "a"),
        Note("25.8", "pair", "a"),
        Note("24.8", "pair", "b"),
    ]
    made = tables(notes)
    assert "| 25.8 | - | - | - | 1 of 1 | - |\n| 24.8 | - | - | 0 of 1 | 1 of 2 | - |\n" in made
    assert made.endswith("| 24.8 | 1 | Unknown data type family: QBit (code 50) |\n")
