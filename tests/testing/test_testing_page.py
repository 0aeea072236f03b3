"""The test files that docs/testing.md shows, run as their readers run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, environment
from tests.support.resident import resident
from tests.testing.test_fixtures import run_pytest

BLOCKS = [
    part.partition("```")[0] for part in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8").split("```python\n")
][1:]
SHOP = """
from aaiclick import Column, MergeTree, Schema, Table

COLUMNS = [Column("id", "UInt64")]
SHOP = Schema(
    "shop", version=1, objects=[Table("orders", COLUMNS, engine=MergeTree(order_by=["id"]))], migrations="migrations"
)
"""


@pytest.mark.slow
def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """Each as a file of its own: they import what they need."""
    (tmp_path / "shop.py").write_text(SHOP)
    done = resident().aaiclick(["revision", "--schema", "shop:SHOP", "-m", "first"], tmp_path, environment())
    assert done.code == 0, done.stderr
    newer = SHOP.replace("version=1", "version=2").replace('"UInt64")]', '"UInt64"), Column("op", "String")]')
    (tmp_path / "shop.py").write_text(newer)
    assert len(BLOCKS) == 2
    (tmp_path / "test_first.py").write_text(BLOCKS[0])
    ran = run_pytest(tmp_path, BLOCKS[1])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
