"""docs/sql.md is what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, play


@pytest.mark.slow
def test_the_page_about_sql_is_what_happens(tmp_path: Path) -> None:
    assert play(ROOT / "docs" / "sql.md", tmp_path) == 7
