"""docs/approval.md is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from aaiclick.plan.approval.compare import FEW_BYTES, FEW_ROWS, FEW_SECONDS, TOLERANCE
from tests.support.pages import ROOT, play

PAGE = ROOT / "docs" / "approval.md"


@pytest.mark.slow
def test_the_session_is_what_happens(tmp_path: Path) -> None:
    assert play(PAGE, tmp_path) >= 7


def test_the_tolerance_is_as_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert (TOLERANCE, FEW_SECONDS) == (0.25, 60.0)
    assert f"a quarter, or {FEW_ROWS:,} rows" in text
    assert f"a quarter, or {FEW_BYTES >> 20} MiB" in text
