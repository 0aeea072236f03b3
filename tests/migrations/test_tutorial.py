"""docs/tutorial.md is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, matches, play


def test_the_pattern_tells_apart() -> None:
    assert matches("a\n...\nb", "a\nx\ny\nb\n")
    assert matches("a ... c", "a b c")
    assert not matches("a\nb", "a\nb\nc\n")
    assert not matches("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("most", [4, pytest.param(100, marks=pytest.mark.proof)], ids=["beginning", "whole"])
def test_the_tutorial_is_what_happens(tmp_path: Path, most: int) -> None:
    assert play(ROOT / "docs" / "tutorial.md", tmp_path, most) >= min(most, 14)
