"""Options of `make bench`, and the page that a whole run writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measure import Results
from benchmarks.page import write_page

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_results = Results()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows", type=float, default=5e6, help="rows of the table that is rebuilt")
    parser.addoption(
        "--large", action="store_true", help="rebuild 50 million rows too (takes minutes, and 6 GB of disk)"
    )
    parser.addoption(
        "--tables", type=int, default=10_000, help="tables of the large schema; a tenth of them is the small one"
    )
    parser.addoption("--write", action="store_true", help="write docs/benchmarks.md")


@pytest.fixture(scope="session")
def results() -> Results:
    return _results


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if session.config.getoption("--write") and not exitstatus and _results.lines:
        PAGE.write_text(write_page(_results), encoding="utf-8")
