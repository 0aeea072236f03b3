from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from tests.simulation.planning import Planner, planned_by


@pytest.fixture(scope="session")
def plans(aaiclick_engine: EmbeddedEngine) -> Iterator[Planner]:
    """Each plan is made once for all tests of a process."""
    connection = open_url(aaiclick_engine.url)
    yield Planner(connection)
    connection.close()


@pytest.fixture
def planner(plans: Planner) -> Iterator[Planner]:
    """Plans of this test alone are its."""
    with planned_by(plans):
        yield plans
