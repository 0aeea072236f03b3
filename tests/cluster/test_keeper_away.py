"""Copies of replicated tables while Keeper is away for ten seconds, which is longer than a session lasts, or for forty,
which is longer than a lease. Clients write through both hosts meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from aaiclick import Schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError
from aaiclick.events import Event
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Routine, Rows, run
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, paired, regrained, table, turned
from tests.cluster.places import ONCE_PER_KIND, PLACES, Place, dead, place_on
from tests.cluster.rig.waiting import wait_until
from tests.cluster.writing import DOUBTFUL, REFUSED, Writers
from tests.reliability.counts import note

AWAY = "copies on clusters, Keeper away for ten seconds or forty before every few commands"
"""The part of the long proofs that counts them."""
SECONDS = 10
READ_ONLY = 242
CLOSED = "SELECT count() FROM system.replicas WHERE is_readonly OR is_session_expired"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


QUEUE = pytest.mark.parametrize("place", ONCE_PER_KIND[:1], indirect=True)
KINDS = pytest.mark.parametrize("place", ONCE_PER_KIND, indirect=True)
Moment = Callable[[str], bool]
"""Whether Keeper goes before a command that is about to be sent; asked once for each."""


def nth(wanted: int, word: str = "") -> Moment:
    """Before the command with this number, from 0; of those that have the word."""
    left = wanted

    def moment(sql: str) -> bool:
        nonlocal left
        left -= word in sql
        return left < 0

    return moment


class Outage:
    """Keeper goes once: killed, or standing still. It is back after some seconds."""

    def __init__(self, place: Place, moment: Moment, how: str, seconds: float) -> None:
        self._zookeeper = place.cluster.zookeeper
        self._moment = moment
        self._how = how
        self._seconds = seconds
        self._timer: threading.Timer | None = None
        self.happened = False

    def carry(self, effect: Effect) -> Routine[Rows]:
        if isinstance(effect, Command) and not self.happened and self._moment(effect.sql):
            self._begin()
        return (yield effect)

    def _begin(self) -> None:
        self.happened = True
        (self._zookeeper.kill if self._how == "kill" else self._zookeeper.pause)()
        self._timer = threading.Timer(self._seconds, self._back)
        self._timer.start()

    def _back(self) -> None:
        (self._zookeeper.start if self._how == "kill" else self._zookeeper.resume)()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.join()


def ended(place: Place, schema: Schema, host: int, outage: Outage) -> str:
    """A start through a host with an outage in its middle; what its error said, '' where it went to its end."""
    opened = open_url(place.cluster.hosts[host].database_url(place.database))
    start = ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION))
    try:
        run(relayed(start, outage.carry), opened, _unheard)
    except AaiclickError as error:
        return str(error)
    finally:
        opened.close()
        outage.end()
    return ""


def _unheard(event: Event) -> None:
    """Nobody listens."""


@contextmanager
def written(place: Place, first: int, shown: str) -> Generator[Writers]:
    """Clients write; afterwards every host has its session again, and every row that was acknowledged is there once.
    ``shown``: the table that has those of all shards."""
    writers = Writers(place, {"events": {}}, first=first)
    with writers:
        yield writers
        wait_until(lambda: all(not host.one(CLOSED) for host in place.cluster.hosts), "every host has Keeper", 90)
        acknowledged = len(writers.acknowledged)
        wait_until(lambda: len(writers.acknowledged) > acknowledged, "writers go on", 60)
    assert writers.refused.keys() <= {REFUSED, READ_ONLY} | DOUBTFUL
    place.cluster.sync(f"{place.database}.events")
    writers.are_there_once(shown)


def survived(
    place: Place, schema: Schema, host: int, outage: Outage, rows: int, shown: str = "events"
) -> tuple[str, int]:
    """A start with an outage, and where it ended with an error the next one through another host, of several shards one
    of another shard. What the first one said, and the rows that are there then: every one once on each host of its
    shard, and nothing left of the copy."""
    with written(place, 10 * (schema.version or 1), shown) as writers:
        said = ended(place, schema, host, outage)
        if said:
            assert "un again" in said, said
            wait_until(lambda: all(not each.one(CLOSED) for each in place.cluster.hosts), "every host has Keeper", 90)
            place.start(schema, len(place.cluster.hosts) - 1 - host, DROPPED)
    rows += writers.rows(shown)
    is_whole(place, rows)
    return said, rows


@pytest.mark.slow
@QUEUE
def test_keeper_is_away_for_ten_seconds_behind_the_fence(place: Place) -> None:
    """In the moment in which every host refuses writers, before the exchange of the second host."""
    place.start(turned(1, place))
    fill(place, 20)
    outage = Outage(place, nth(1, "EXCHANGE TABLES"), "kill", SECONDS)
    survived(place, turned(2, place), 0, outage, 120)
    assert outage.happened
    place.is_settled(turned(2, place))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("versions", "step", "how", "seconds"),
    [
        pytest.param(turned, 23, "kill", SECONDS, marks=pytest.mark.long),
        pytest.param(turned, 23, "pause", SECONDS, marks=pytest.mark.proof),
        pytest.param(turned, 23, "kill", 4 * SECONDS, marks=pytest.mark.proof),
        pytest.param(turned, 5, "kill", SECONDS, marks=pytest.mark.proof),
        pytest.param(regrained, 7, "kill", SECONDS, marks=pytest.mark.proof),
    ],
)
@KINDS
def test_keeper_is_away_at_every_step(
    place: Place, versions: Callable[[int, Place], Schema], step: int, how: str, seconds: float
) -> None:
    """Before every few commands of the run."""
    place.start(versions(1, place))
    fill(place, 20)
    version, rows, outages, errors = 1, 120, 0, 0
    for commands in range(step - 1, 400, step):
        version += 1
        outage = Outage(place, nth(commands), how, seconds)
        said, rows = survived(place, versions(version, place), version % 2, outage, rows)
        if not outage.happened:
            break
        outages += 1
        errors += bool(said)
    place.is_settled(versions(version, place))
    assert outages > 60 / step
    note(AWAY, outages=outages, errors=errors, rows=rows)


def spread(version: int, place: Place) -> Schema:
    """Another sort key in each version, with a Distributed table over all shards."""
    return paired(place, version, table(("id",) if version % 2 else ("v", "id")))


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", PLACES[2:], indirect=True)
def test_keeper_is_away_at_steps_of_a_copy_on_shards(place: Place) -> None:
    """Before every few commands, through a host of one shard; what it could not do a host of another shard does."""
    place.start(spread(1, place))
    fill(place, 20)
    version, rows, outages, errors = 1, 240, 0, 0
    for commands in range(28, 400, 29):
        version += 1
        outage = Outage(place, nth(commands), "kill", SECONDS)
        said, rows = survived(place, spread(version, place), version % 4, outage, rows, "events_all")
        if not outage.happened:
            break
        outages += 1
        errors += bool(said)
    place.is_settled(spread(version, place))
    assert outages > 1
    note(AWAY, outages=outages, errors=errors, rows=rows)
