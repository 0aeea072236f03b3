"""The model of a copy on a cluster: no order of what hosts, writers and runs do ends wrongly, and each precaution of
the routine is needed for that."""

from __future__ import annotations

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.routine import Command
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, rekeyed
from tests.cluster.model.explore import explore
from tests.cluster.model.mutants import MUTANTS, ONE, SPREAD, TWO
from tests.cluster.model.routine import ORDER, SENT
from tests.cluster.model.state import Bounds
from tests.cluster.places import PLACES, Place, dead, place_on
from tests.reliability.counts import note
from tests.reliability.driving import Driver

TITLE = "model of a copy on a cluster: all orders within bounds"
QUICK = [Bounds(ONE), Bounds(TWO), Bounds(ONE, belated=1), Bounds(TWO, inserts=0, belated=1)]
QUICK += [Bounds(shards, inserts=0, alters=True) for shards in (ONE, TWO)]
LONG = [
    Bounds(ONE, inserts=2, belated=1),
    Bounds(ONE, kills=2, belated=2),
    Bounds(ONE, away=1, belated=1),
    Bounds(TWO, away=1, belated=1),
    Bounds(SPREAD, belated=1),
    Bounds(SPREAD, away=1),
    Bounds(SPREAD, alters=True),
    Bounds(ONE, belated=1, alters=True),
]


@pytest.mark.parametrize("bounds", QUICK, ids=str)
def test_no_order_ends_wrongly(bounds: Bounds) -> None:
    found = explore(bounds)
    assert (found.wrong, found.way) == ("", ())
    assert found.states > 1000
    assert found.ends > 3


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bounds", LONG, ids=str)
def test_no_longer_order_ends_wrongly(bounds: Bounds) -> None:
    found = explore(bounds)
    assert (found.wrong, found.way) == ("", ())
    note(TITLE, states=found.states)


@pytest.mark.parametrize("precaution", MUTANTS)
def test_every_precaution_is_needed(precaution: str) -> None:
    bounds, why = MUTANTS[precaution]
    assert explore(bounds, frozenset({precaution})).wrong, why
    assert not explore(bounds).wrong


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [PLACES[0], pytest.param(PLACES[2].values[0], id="2x2-queue", marks=pytest.mark.long)], indirect=True
)
def test_a_run_sends_what_the_model_says(place: Place) -> None:
    """In the same order: what is modelled is what is done."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    driver = Driver(opened)
    driver.run(ensure(Run(rekeyed(2, place), place.database, DROPPED, dead(), False, VERSION)))
    opened.close()
    kinds = [kind for effect in driver.seen if isinstance(effect, Command) and (kind := kind_of(effect))]
    sent = [kind for place, kind in enumerate(kinds) if kinds[place - 1 : place] != [kind]]
    # Nothing came in behind the first pass, and no host has to be exchanged again.
    steps = [SENT[step] for step in ORDER if step in SENT and step not in ("attach-rest", "exchange-again")]
    # The mark is written once more when the new table is there.
    assert sent == ["mark", "make", "mark", *steps[2:]]


def kind_of(command: Command) -> str:
    """What the model calls a statement; '' for what it leaves out."""
    # The lease puts a word of its holder in front.
    sql = command.sql.rpartition("*/ ")[2]
    marked = b"_aaiclick_mark_".hex() in str(command.parameters.get("name", "")).lower()
    if marked and sql.startswith("INSERT INTO"):
        phase = next((phase for phase in ("copy", "swap") if f'"phase":"{phase}"'.encode().hex() in sql.lower()), "")
        return {"copy": "mark", "swap": "swap", "": "clear"}[phase]
    if "ADD CONSTRAINT _aaiclick_fence" in sql:
        return "close"
    if "DROP CONSTRAINT IF EXISTS _aaiclick_fence" in sql:
        return "admit"
    beginnings = {"CREATE TABLE": "make", "EXCHANGE TABLES": "exchange", "RENAME TABLE": "aside"}
    if "ATTACH PARTITION" in sql and "_aaiclick_new_" in sql:
        return "attach"
    found = next((kind for words, kind in beginnings.items() if sql.startswith(words)), "")
    return found if "_aaiclick_new_" in sql else ""
