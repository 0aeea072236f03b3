"""The pytest plugin of ``make proof`` (``-p tests.reliability.proof_plugin``): long tests first, outcomes into the
counts.

With the counts file in the environment; without it only the order is another one.
"""

from __future__ import annotations

import time

import pytest

from tests.reliability.counts import note_outcome, note_whole
from tests.reliability.parts import part_of


class Outcomes:
    """Lives in the process that collects reports: workers send theirs to it."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.tests = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has passed when its call did; it has failed whichever of its phases did."""
        if report.failed or (report.when == "call" and report.passed):
            self.tests += report.when == "call"
            note_outcome(part_of(report.nodeid).title, report.nodeid, report.passed)

    def pytest_sessionfinish(self) -> None:
        """How long it took."""
        note_whole(self.tests, (time.monotonic() - self.begun) / 60)


def pytest_configure(config: pytest.Config) -> None:
    """Reports are only counted once."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long test that comes last leaves the other worker with nothing to do."""
    items.sort(key=lambda item: -part_of(item.nodeid).seconds)
