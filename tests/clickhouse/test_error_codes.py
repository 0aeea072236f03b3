"""The engine calls its codes what we call them."""

from __future__ import annotations

import pytest

from aaiclick import error_codes
from aaiclick.clickhouse.mutations import Mutation
from aaiclick.testing.engine import EmbeddedEngine


def test_codes_have_the_names_of_the_engine(aaiclick_engine: EmbeddedEngine) -> None:
    ours = {name: code for name, code in vars(error_codes).items() if isinstance(code, int)}
    listed = ", ".join(str(code) for code in ours.values())
    answer = aaiclick_engine.command(f"SELECT arrayJoin([{listed}]) AS code, errorCodeToName(code)")
    pairs = [line.split("\t") for line in answer.splitlines()]
    theirs = {name: code for code, name in pairs}
    assert theirs == {name: str(code) for name, code in ours.items()}


@pytest.mark.parametrize("code", sorted(error_codes.LIMITS))
def test_a_mutation_that_failed_on_what_passes_has_not_failed_on_the_data(code: int) -> None:
    failure = f"Code: {code}. DB::Exception: the reason"
    assert not Mutation("1", "UPDATE a = 1", False, 1, failure).fails_on_data
    assert Mutation("1", "UPDATE a = 1", False, 1, "Code: 53. DB::Exception: the reason").fails_on_data
