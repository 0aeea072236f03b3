"""Each precaution of the protocol is needed: without it a schedule ends wrongly."""

from __future__ import annotations

import pytest

from tests.reliability.counts import note
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.planning import Planner
from tests.simulation.playing import FoundError, play

TITLE = "simulation: precautions taken away one at a time"


def found(mutant: Mutant, schedules: int) -> int | None:
    """The first seed that finds it, and that ends well with the precaution."""
    for seed in range(mutant.seed, mutant.seed + schedules):
        with pytest.MonkeyPatch.context() as patch:
            mutant.patch(patch)
            try:
                play(seed, mutant.bounds)
            except FoundError:
                pass
            else:
                continue
        play(seed, mutant.bounds)
        return seed
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.quick], ids=lambda each: each.name)
def test_a_mutant_is_found(planner: Planner, mutant: Mutant) -> None:
    assert found(mutant, 60) is not None, f"{mutant.name}: {mutant.why}"


@pytest.mark.proof
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_every_mutant_is_found(planner: Planner, mutant: Mutant) -> None:
    seed = found(mutant, 5000)
    assert seed is not None, f"{mutant.name}: {mutant.why}"
    note(TITLE, precautions=1, schedules=seed - mutant.seed + 1)
