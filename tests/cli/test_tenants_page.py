"""docs/tenants.md is a session at a terminal: it is played from the first command to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, play


@pytest.mark.slow
def test_the_page_is_true(tmp_path: Path) -> None:
    assert play(ROOT / "docs" / "tenants.md", tmp_path) == 5
