"""docs/variables.md is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, play


@pytest.mark.slow
def test_the_session_is_what_happens(tmp_path: Path) -> None:
    assert play(ROOT / "docs" / "variables.md", tmp_path) >= 8
