"""Copies of replicated tables while hosts are killed, are away, or two processes begin at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from aaiclick import validate_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError
from aaiclick.events import ChunkDone, Event, WritersRefused
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, turned
from tests.cluster.places import ONCE_PER_KIND, QUEUE_FIRST, Place, dead, killed_at_exchange, place_on, started_together
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.waiting import wait_until
from tests.reliability.driving import Driver

MOMENTS = {"copy": "INSERT INTO `_aaiclick_staged_", "attach": "ATTACH PARTITION", "exchange": "EXCHANGE TABLES"}
"""Of a copy, by the statement that is about to be sent."""


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


KINDS = pytest.mark.parametrize("place", ONCE_PER_KIND, indirect=True)
QUEUE_FIRST_KINDS = pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
QUEUE = pytest.mark.parametrize("place", ONCE_PER_KIND[:1], indirect=True)


def started_with(place: Place, moment: str, do: Callable[[], object]) -> None:
    """A start through the first host, and something that is done in its middle."""
    pending = [do]

    def before(effect: Effect) -> None:
        if pending and isinstance(effect, Command) and MOMENTS[moment] in effect.sql:
            pending.pop()()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    run = Run(turned(2, place), place.database, DROPPED, dead(), False, VERSION)
    try:
        Driver(opened, before=before).run(ensure(run))
    finally:
        opened.close()
        assert not pending


@pytest.mark.slow
@pytest.mark.parametrize("moment", [pytest.param(each, marks=pytest.mark.proof) for each in MOMENTS])
@pytest.mark.parametrize("killed", [0, 1])
@KINDS
def test_a_host_is_killed_in_the_middle(place: Place, killed: int, moment: str) -> None:
    """The host that copies, or the other one. The next start, through the one that was not killed, names the one that is
    away; when it is back a start puts everything right."""
    place.start(turned(1, place))
    fill(place, 20)
    host, other = place.cluster.hosts[killed], 1 - killed
    with suppress(AaiclickError):
        started_with(place, moment, host.kill)
    with pytest.raises(AaiclickError, match="does not answer"):
        place.start(turned(2, place), other, DROPPED)
    host.start()
    place.start(turned(2, place), other, DROPPED)
    place.is_settled(turned(2, place))
    is_whole(place, 120)


@QUEUE
def test_between_two_exchanges_all_hosts_refuse_writers_and_none_goes_back(place: Place) -> None:
    """One host has the new table, the other one the old. Readers find all rows on both; the next start, through the other
    host, lets it follow; an EXCHANGE that was sent before and comes now finds no table."""
    place.start(turned(1, place))
    fill(place, 20)
    sent = killed_at_exchange(place, turned(2, place), 2, DROPPED)
    keys = f"SELECT sorting_key FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
    assert {host.one(keys) for host in place.cluster.hosts} == {"id", "v, id"}
    assert validate_schema(place.cluster.hosts[1].database_url(place.database), turned(2, place)).fenced == ("events",)
    for host in place.cluster.hosts:
        assert host.one(f"SELECT count() FROM {place.database}.events") == 120
        with pytest.raises(RefusedError, match="_aaiclick_fence_a_migration_is_under_way") as refused:
            host.q(f"INSERT INTO {place.database}.events (id) VALUES (1)")
        assert refused.value.code == 469
    place.start(turned(2, place), 1, DROPPED)
    for host in place.cluster.hosts:
        with pytest.raises(RefusedError) as refused:
            host.q(sent[0])
        assert refused.value.code == 60
    is_whole(place, 120)


STARTING = """
import sys
from datetime import timedelta
from aaiclick import Policy, ensure_schema
from tests.cluster.copies import turned
from tests.cluster.places import Place
url, named = sys.argv[1], sys.argv[2] or None
schema = turned(2, Place(None, "", named))
print("ready", flush=True)
sys.stdin.readline()
print(len(ensure_schema(url, schema, Policy.lossless(keep_old=timedelta(0))).steps))
"""


@QUEUE_FIRST_KINDS
def test_two_processes_copy_once(place: Place) -> None:
    place.start(turned(1, place))
    fill(place, 20)
    started = started_together(place, (0, 1), STARTING)
    answers = [process.communicate(timeout=250)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sorted(answers) == ["0\n", "1\n"]
    place.is_settled(turned(2, place))
    is_whole(place, 120)


@pytest.mark.proof
@pytest.mark.parametrize("moment", [ChunkDone, WritersRefused])
@KINDS
def test_a_host_stands_still_in_the_middle(place: Place, moment: type[Event]) -> None:
    """Longer than its session with Keeper lasts: the start ends with an error, and the next one, when the host goes on,
    puts everything right."""
    place.start(turned(1, place))
    fill(place, 20)
    host = place.cluster.hosts[1]

    def watch(event: Event) -> None:
        if isinstance(event, moment):
            host.pause()

    with pytest.raises(AaiclickError):
        place.start(turned(2, place), 0, DROPPED, on_event=watch)
    host.resume()
    wait_until(lambda: host.answers, "the host goes on", 60)
    place.start(turned(2, place), 0, DROPPED)
    place.is_settled(turned(2, place))
    is_whole(place, 120)
