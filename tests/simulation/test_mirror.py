"""The model against the engine: the same schedules on both, answer by answer; and what is true at the end of a schedule
is true on the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.reliability.counts import note
from tests.simulation.mirror import Mirror
from tests.simulation.planning import Planner
from tests.simulation.schedule import Schedule
from tests.simulation.world import DATABASE

TITLE = "simulation: the same schedules on the engine"
SHARDS, LENGTH = 20, 50


@pytest.fixture
def live(planner: Planner) -> Iterator[Planner]:
    """The tables of a schedule are there when it is planned."""
    planner.live = True
    yield planner
    planner.live = False


def replay(seed: int, planner: Planner, engine: EmbeddedEngine, folder: Path) -> int:
    """Both say the same to every statement, and hold the same rows in the end; how many answers were compared."""
    world = Mirror(planner.connection, engine, folder, seed)
    try:
        schedule = Schedule(seed, world)
        schedule.play()
        world.adopt_merges()
        for name, storage in world.server.databases[DATABASE].items():
            if storage.parts:
                found = engine.command(f"SELECT id, price FROM {DATABASE}.`{name}` ORDER BY id, price").split()
                assert found == [str(value) for row in sorted(storage.rows) for value in row], name
    except Exception as problem:
        raise AssertionError(f"seed {seed}: {problem}") from problem
    finally:
        world.close()
    return world.compared


@pytest.mark.slow
def test_a_few_schedules_on_the_engine(live: Planner, aaiclick_engine: EmbeddedEngine, tmp_path: Path) -> None:
    assert sum(replay(seed, live, aaiclick_engine, tmp_path) for seed in (0, 2)) > 300


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(SHARDS))
def test_many_schedules_on_the_engine(
    live: Planner, aaiclick_engine: EmbeddedEngine, tmp_path: Path, shard: int
) -> None:
    seeds = range(shard * LENGTH, (shard + 1) * LENGTH)
    note(TITLE, schedules=LENGTH, answers_compared=sum(replay(seed, live, aaiclick_engine, tmp_path) for seed in seeds))
