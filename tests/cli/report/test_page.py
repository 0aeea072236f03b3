"""docs/reports.md is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, play


@pytest.mark.slow
def test_the_session_is_what_happens(tmp_path: Path) -> None:
    assert play(ROOT / "docs" / "reports.md", tmp_path) == 5
    told = (tmp_path / "history.html").read_text(encoding="utf-8")
    assert "events: writers refused" in told
