"""Copies of replicated tables that were killed while they copied: what is filled and still right is not copied again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick import Schema
from aaiclick.apply.rebuild import chunks
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError
from aaiclick.events import Event, Note
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, table
from tests.cluster.places import ONCE_PER_KIND, PLACES, QUEUE_FIRST, Place, dead, killed_at, place_on
from tests.reliability.driving import Driver, KilledError

FILLS = "INSERT INTO `_aaiclick_staged_"
TAKEN = "rows that a killed run has copied are taken over"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk for each of the partitions."""
    monkeypatch.setattr(chunks, "SMALL_ROWS", 20)


QUEUE = pytest.mark.parametrize("place", ONCE_PER_KIND[:1], indirect=True)


def started(place: Place, schema: Schema, host: int = 0, before: Callable[[int], None] = lambda _: None) -> int:
    """A start; how many chunks it has filled. ``before``: is told the number of each, and may raise."""
    filled = 0

    def watched(effect: Effect) -> None:
        nonlocal filled
        if isinstance(effect, Command) and FILLS in effect.sql:
            before(filled)
            filled += 1

    opened = open_url(place.cluster.hosts[host].database_url(place.database))
    try:
        Driver(opened, before=watched).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    finally:
        opened.close()
    return filled


def killed_in(place: Place, schema: Schema, chunk: int, host: int = 0) -> None:
    """A start that is killed before it fills the chunk with this number."""

    def before(number: int) -> None:
        if number == chunk:
            raise KilledError

    with pytest.raises(KilledError):
        started(place, schema, host, before)


def full(place: Place) -> int:
    """A table of six partitions; its rows."""
    place.start(place.schema(1, [table(partition_by="v % 6")]))
    fill(place, 60)
    return 180 * len(place.cluster.hosts)


def wanted(place: Place, version: int = 2) -> Schema:
    keys = ("v", "id") if version == 2 else ("s", "id")
    return place.schema(version, [table(keys, partition_by="v % 6")])


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [*QUEUE_FIRST, pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long)], indirect=True
)
def test_the_same_host_goes_on(place: Place) -> None:
    """Twice killed, also with what the second run had taken over; on several shards each host that copies has its own."""
    rows = full(place)
    whole = started(place, wanted(place))
    killed_in(place, wanted(place, 3), whole - 2)
    killed_in(place, wanted(place, 3), 1)
    assert 0 < started(place, wanted(place, 3)) < whole - 2
    place.is_settled(wanted(place, 3))
    is_whole(place, rows)


@QUEUE
def test_another_host_or_another_plan_begins_anew(place: Place) -> None:
    full(place)
    whole = started(place, wanted(place))
    killed_in(place, wanted(place, 3), whole - 1)
    assert started(place, wanted(place, 3), 1) == whole
    is_whole(place, 360)
    killed_in(place, place.schema(4, [table(("id",), partition_by="v % 6")]), 2, 1)
    assert started(place, place.schema(4, [table(("id", "v"), partition_by="v % 6")]), 1) == whole
    is_whole(place, 360)
    # Nobody goes on with it: the next version asks for the table that is there.
    killed_in(place, place.schema(5, [table(("s", "id"), partition_by="v % 6")]), 2)
    assert started(place, place.schema(6, [table(("id", "v"), partition_by="v % 6")])) == 0
    is_whole(place, 360)


@QUEUE
def test_rows_that_were_changed_or_came_in_between_are_copied(place: Place) -> None:
    """Writers and deletes go on between the two runs, through any host."""
    full(place)
    whole = started(place, wanted(place))
    killed_in(place, wanted(place, 3), whole - 1)
    one, two = place.cluster.hosts
    one.q(f"INSERT INTO {place.database}.events (id, v, s) SELECT 1000 + number, 1, 'new' FROM numbers(5)")
    two.q(f"DELETE FROM {place.database}.events WHERE v = 2 AND id < 100", lightweight_deletes_sync=2)
    left = one.rows(f"SELECT count() FROM {place.database}.events")[0][0]
    events: list[Event] = []
    place.start(wanted(place, 3), 0, DROPPED, on_event=events.append)
    assert any(isinstance(event, Note) and TAKEN in event.text for event in events)
    is_whole(place, left)
    assert one.rows(f"SELECT count() FROM {place.database}.events WHERE v = 2 AND id < 100") == [[0]]


@pytest.mark.long
@QUEUE
def test_the_host_that_copies_is_killed_and_goes_on_when_it_is_back(place: Place) -> None:
    full(place)
    whole = started(place, wanted(place))
    host, other = place.cluster.hosts

    def kill(number: int) -> None:
        if number == whole - 1:
            host.kill()

    with pytest.raises(AaiclickError):
        started(place, wanted(place, 3), before=kill)
    with pytest.raises(AaiclickError, match="does not answer"):
        place.start(wanted(place, 3), 1, DROPPED)
    host.start()
    assert 0 < started(place, wanted(place, 3)) <= 2
    is_whole(place, 360)
    assert other.one(f"SELECT count() FROM {place.database}.events") == 360


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", [pytest.param(19, marks=pytest.mark.long), pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_what_goes_on_is_killed_at_every_point(place: Place, step: int) -> None:
    """A copy that goes on with what a killed one has left is killed itself: after every command of what follows."""
    rows = full(place)
    version = 1
    for commands in range(0, 600, step):
        version += 1
        keys = ("v", "id") if version % 2 == 0 else ("id",)
        schema = place.schema(version, [table(keys, partition_by="v % 6")])
        killed_in(place, schema, 3)
        killed = killed_at(place, schema, 0, commands, DROPPED)
        if not killed:
            place.is_settled(schema)
            break
        place.start(schema, commands // step % 2, DROPPED)
        is_whole(place, rows)
    assert version > 60 / step
