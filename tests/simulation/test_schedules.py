"""Several processes of one or more versions, writers, merges, an operator and clocks, in the order that a seed says;
killed, paused, without answers."""

from __future__ import annotations

import pytest

from tests.reliability.counts import note
from tests.simulation.planning import Planner
from tests.simulation.playing import play, play_all
from tests.simulation.schedule import Bounds
from tests.simulation.stories import STORIES, Story

TITLE = "simulation: schedules of several runs, writers and operators on a model of the server"
SHARDS, LENGTH = 50, 2000
EACH = 224
"""Schedules of each story in the normal suite: 2,016 in all. A story stays in one process, which makes its plans once."""


def of(*names: str, operators: int = 0) -> Bounds:
    """A few stories: each state of the tables has to be planned once on the engine."""
    return Bounds(stories=tuple(story for story in STORIES if story.name in names), operators=operators)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "story"), [pytest.param(place, story, id=story.name) for place, story in enumerate(STORIES)]
)
def test_schedules(planner: Planner, place: int, story: Story) -> None:
    """With an operator in some of them."""
    first = 5000 + 1000 * place
    counts = play_all(range(first, first + EACH), Bounds(stories=(story,)))
    assert all(counts[what] for what in ("killed", "through", "LeaseLostError", "OutcomeUnknownError")), counts


@pytest.mark.parametrize(
    "seed",
    [610_932, 1_064_178, 2_306_567, 2_309_444, 2_507_221],
    ids=[
        "a staging table of a run that went on with another one's late rows",
        "a mark made after the lease was lost",
        "a constraint on a table that was exchanged away and back",
        "a scratch database whose DROP was lost",
        "a planner that died between the holder's last look and its note for the warm start",
    ],
)
def test_what_was_found(planner: Planner, seed: int) -> None:
    play(seed)


def test_a_seed_plays_the_same_schedule_again(planner: Planner) -> None:
    told: list[list[str]] = [[], []]
    for each in told:
        play(3, of("prices"), each)
    assert told[0] == told[1]
    assert len(told[0]) > 100


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(SHARDS))
def test_many_schedules(planner: Planner, shard: int) -> None:
    counts = play_all(range(1_000_000 + shard * LENGTH, 1_000_000 + (shard + 1) * LENGTH))
    lost = sum(counts[name] for name in ("OutcomeUnknownError", "StatementError", "ConnectionFailed"))
    note(
        TITLE,
        schedules=counts["schedules"],
        actors=counts["actors"],
        statements=counts["statements"],
        runs_killed=counts["killed"],
        leases_lost=counts["LeaseLostError"],
        runs_stopped_without_an_answer=lost,
        rows=counts["rows"],
    )
