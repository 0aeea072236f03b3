"""Two databases in the engine of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground
from tests.fuzz.types import quoted


@pytest.fixture
def ground(aaiclick_engine: EmbeddedEngine) -> Iterator[Ground]:
    engine = Embedded(aaiclick_engine)
    client = engine.client()
    found = Ground(engine, client, "adversary_live", "adversary_want")
    # Runs that other tests have killed leave theirs in the same engine, and it would count as left behind by a case.
    for (name,) in found.rows("SELECT name FROM system.databases WHERE startsWith(name, '_aaiclick_scratch_')"):
        found.run(f"DROP DATABASE {quoted(name)} SYNC")
    found.create()
    yield found
    found.drop()
    client.close()
    engine.close()
