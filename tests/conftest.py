"""What the whole suite shares: the package's own pytest plugin, and hypothesis without deadlines (the machine may be slow)."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from hypothesis import HealthCheck, settings

# An installed package brings its plugin along by its entry point; in a bare checkout it is named here.
if not entry_points(group="pytest11", name="aaiclick"):
    pytest_plugins = ["aaiclick.testing.plugin"]

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what the golden cases expect."""
    parser.addoption("--update-golden", action="store_true", help="write the expectations of tests/cases/golden anew")
