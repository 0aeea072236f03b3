"""Two databases in the engine of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground


@pytest.fixture
def ground(aaiclick_engine: EmbeddedEngine) -> Iterator[Ground]:
    engine = Embedded(aaiclick_engine)
    client = engine.client()
    found = Ground(engine, client, "adversary_live", "adversary_want")
    found.create()
    yield found
    found.drop()
    client.close()
    engine.close()
