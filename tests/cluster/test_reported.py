"""Each failure that others have reported has a test, and the page tells of all of them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.cluster.reported import REPORTED, page_lines

ROOT = Path(__file__).parents[2]


def test_each_has_a_test_that_is_there() -> None:
    assert len({each.test for each in REPORTED}) == len(REPORTED) == 20
    for each in REPORTED:
        file, _, name = each.test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, each.test


def test_the_page_has_them_all() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8").splitlines()
    begin = page.index("| # | reported | here |") + 2
    assert page[begin : begin + len(REPORTED) + 1] == [*page_lines(), ""]
