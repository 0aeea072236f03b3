"""Every statement of a run that lost its lease, at every moment of its successor: all of it in ``make proof``, every
n-th meeting in the normal suite."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest

from tests.reliability.counts import note
from tests.simulation.belated import NEVER, Meeting, meet, meetings
from tests.simulation.mutants import Patch, dropped_by_name, line_anyway, nothing_taken_back, record_anyway
from tests.simulation.planning import Planner
from tests.simulation.stories import STORIES

TITLE = "simulation: a late statement at each moment of the successor"
PRICES = next(story for story in STORIES if story.name == "prices")
SWEPT = ("prices", "prices behind a fence", "parts are taken over", "three versions", "statements and a function")
KILLS = (None, 1, 4, 12, 30)
SHARDS = 20


def hexed(words: str) -> str:
    return words.encode().hex().upper()


@pytest.mark.parametrize(
    ("words", "moments", "killed"),
    [
        ("EXCHANGE TABLES", range(33, 43), None),
        ("EXCHANGE TABLES", range(33, 43), 1),
        ("EXCHANGE TABLES", range(36, 40), 2),
        (hexed('"new":"","table"'), range(117, 129, 2), 1),
        (hexed('-4000-8000-000000000000","table"'), range(145, 149), 12),
    ],
    ids=[
        "an exchange",
        "an exchange, and killed there",
        "an exchange, and killed behind it",
        "a line of the journal",
        "another line of the journal",
    ],
)
def test_what_was_found(planner: Planner, words: str, moments: range, killed: int | None) -> None:
    for moment in moments:
        assert meet(Meeting(PRICES, 0, words, moment, killed)).sent


def test_an_exchange_beside_writers_that_were_let_in(planner: Planner) -> None:
    """Their parts may have been merged with those that the new table has."""
    parts = next(story for story in STORIES if story.name == "parts are taken over")
    for moment in range(30, 46, 2):
        assert meet(Meeting(parts, 0, "EXCHANGE TABLES", moment)).sent


@pytest.mark.parametrize(
    ("precaution", "words", "moments", "killed"),
    [
        (line_anyway, hexed('"new":"","table"'), range(117, 129, 2), 1),
        (record_anyway, "INSERT INTO `sim`.`schema_version` ", (NEVER,), None),
        (dropped_by_name, "EXCHANGE TABLES", range(33, 43), None),
        (nothing_taken_back, "CREATE TABLE `sim`.`_aaiclick_mark_", (NEVER,), None),
    ],
    ids=[
        "lines of the one who holds the lock",
        "a version is recorded once",
        "a name of its own",
        "what was sent last is taken back",
    ],
)
def test_each_precaution_is_needed(
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
    precaution: Patch,
    words: str,
    moments: Sequence[int],
    killed: int | None,
) -> None:
    assert not any(_ends_wrongly(words, moment, killed) for moment in moments)
    precaution(monkeypatch)
    assert any(_ends_wrongly(words, moment, killed) for moment in moments)


def _ends_wrongly(words: str, moment: int, killed: int | None) -> bool:
    try:
        meet(Meeting(PRICES, 0, words, moment, killed))
    except AssertionError:
        return True
    return False


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SWEPT)
@pytest.mark.parametrize("seed", [0, 1], ids=["the old table is dropped", "the old table is kept"])
def test_swept(planner: Planner, name: str, seed: int, shard: int) -> None:
    story = next(each for each in STORIES if each.name == name)
    # A seventh of them, and other ones in each story.
    found = list(islice(meetings(story, seed, KILLS), shard * 7 + SWEPT.index(name), None, SHARDS * 7))
    for meeting in found:
        meet(meeting)
    note(TITLE, meetings=len(found))
