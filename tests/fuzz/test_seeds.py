"""The first cases of the adversary, in the normal run. ``make fuzz`` plays many more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.engines import Embedded
from tests.fuzz.ground import Ground
from tests.fuzz.together import play_together
from tests.fuzz.worlds import world

SEEDS, TOGETHER = 16, 4
OPEN: dict[int, str] = {}
"""Seeds that fail, and why they still do."""


@pytest.fixture(scope="module")
def ground(aaiclick_engine: EmbeddedEngine) -> Iterator[Ground]:
    engine = Embedded(aaiclick_engine)
    client = engine.client()
    yield Ground(engine, client, "fuzz_live", "fuzz_want")
    client.close()
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_every_seed_ends_as_the_copy_would(ground: Ground, first: int) -> None:
    seeds = [seed for seed in range(first, first + TOGETHER) if seed not in OPEN]
    outcomes = play_together(ground, [world(seed, f"_{place}") for place, seed in enumerate(seeds)])
    wrong = {
        seed: [str(failure) for failure in outcome.failures]
        for seed, outcome in zip(seeds, outcomes, strict=True)
        if outcome.failures
    }
    assert wrong == {}


def test_a_number_makes_one_case() -> None:
    assert [world(seed) for seed in range(30)] == [world(seed) for seed in range(30)]
    assert world(1) != world(2)
