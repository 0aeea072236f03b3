"""Cases that go to a version, back, and there again. ``make fuzz-rollback`` plays many more."""

from __future__ import annotations

import pytest

from tests.fuzz.ground import Ground
from tests.fuzz.rollback import there_and_back
from tests.fuzz.worlds import world

KEPT = {
    49: "refused",  # a label that came since and that the older Enum lacks
    55: "back",  # a type without any conversion back
    69: "back",  # altered in place before its parts were taken over
    235: "refused",  # a number that is no label
    10: "back",
    1006: "refused",  # a text that came since and that is no array
}


@pytest.mark.parametrize("seed", KEPT)
def test_what_was_there_comes_back(ground: Ground, seed: int) -> None:
    ended = there_and_back(ground, world(seed))
    assert [str(failure) for failure in ended.failures] == []
    assert ended.end == KEPT[seed]
