"""Each fault that is put back is found, by the case that is kept beside it."""

from __future__ import annotations

import pytest

from tests.fuzz.ground import Ground
from tests.fuzz.mutants import MUTANTS, Mutant, shown_by
from tests.fuzz.worlds import world


@pytest.mark.proof
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_is_found(ground: Ground, mutant: Mutant) -> None:
    assert shown_by(ground, mutant, mutant.seed) != []


def test_the_case_that_is_kept_is_one_that_could_show_it() -> None:
    """Cheap, and in the normal run: another generator makes other cases of the same numbers, and then they have to be
    looked for anew."""
    assert [mutant.name for mutant in MUTANTS if not mutant.shows(world(mutant.seed))] == []
