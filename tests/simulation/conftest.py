from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.testing.engine import EmbeddedEngine
from tests.simulation.planning import Planner, planned_by


@pytest.fixture(scope="session")
def planner(aaiclick_engine: EmbeddedEngine) -> Iterator[Planner]:
    """Makes plans on the engine, each of them once for all tests of a process."""
    connection = open_url(aaiclick_engine.url)
    made = Planner(connection)
    with planned_by(made):
        yield made
    connection.close()
