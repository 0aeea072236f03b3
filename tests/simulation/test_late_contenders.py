"""A lock is ended once, however late somebody is who wants to end it: at every moment in ``make proof``, at some in the
normal suite."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.reliability.counts import note
from tests.simulation.contenders import Late, LateContender, Who
from tests.simulation.mutants import released_by_drop
from tests.simulation.planning import Planner
from tests.simulation.stories import STORIES

TITLE = "simulation: who wants to end a lock that is over, at each moment of the next holder"
STORY = next(story for story in STORIES if story.name == "three versions")
WHO = pytest.mark.parametrize("who", get_args(Who))


@WHO
def test_at_some_moments(planner: Planner, who: Who) -> None:
    for moment in range(2, 150, 37):
        LateContender(Late(STORY, who, moment)).play()


@pytest.mark.parametrize("who", ["the holder", "a contender"])
def test_the_tombstone_is_needed(planner: Planner, monkeypatch: pytest.MonkeyPatch, who: Who) -> None:
    released_by_drop(monkeypatch)
    with pytest.raises(AssertionError, match="has lost its lease"):
        LateContender(Late(STORY, who, 40)).play()


@pytest.mark.proof
@WHO
def test_at_every_moment(planner: Planner, who: Who) -> None:
    moment, over = 0, False
    while not over:
        played = LateContender(Late(STORY, who, moment))
        played.play()
        moment, over = moment + 1, played.over
    note(TITLE, moments=moment)
