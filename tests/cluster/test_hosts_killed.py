"""Copies on several shards while a host is killed (-9), one after the other, at every few steps."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from aaiclick import Schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, rekeyed
from tests.cluster.places import PLACES, Place, all_have_keeper, dead, place_on
from tests.cluster.rig.waiting import wait_until
from tests.reliability.counts import every, note
from tests.reliability.driving import Driver

HOSTS_KILLED = "copies on two shards, one host after the other killed (`kill -9`) before every few commands"
"""The part of the long proofs that counts them."""


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def host_killed_before(place: Place, schema: Schema, number: int, command: int) -> str | None:
    """A start through the first host, and a host that is killed before the command with this number, from 0. What the
    error of the start said, '' where it went to its end; None where it ended before that command."""
    left, killed = command, False

    def before(effect: Effect) -> None:
        nonlocal left, killed
        left -= isinstance(effect, Command)
        if left < 0 and not killed:
            killed = True
            place.cluster.hosts[number].kill()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    said = ""
    try:
        Driver(opened, before=before).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    except AaiclickError as error:
        said = str(error)
    finally:
        with suppress(AaiclickError):
            opened.close()
    return said if killed else None


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("step", [pytest.param(31, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.proof)])
@pytest.mark.parametrize(
    "place", [*PLACES[2:], pytest.param((2, 2, "database"), id="2x2-database", marks=pytest.mark.proof)], indirect=True
)
def test_a_host_is_killed_at_every_few_steps(place: Place, step: int) -> None:
    """The one that is connected to, too. When it is back the next start, through another shard or the other replica,
    goes to the end."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    hosts, version, ended = place.cluster.hosts, 1, 0
    for command in range(3, 400, step * every()):
        version += 1
        number = version % len(hosts)
        said = host_killed_before(place, rekeyed(version, place), number, command)
        if said is None:
            break
        ended += not said
        hosts[number].start()
        wait_until(partial(getattr, hosts[number], "answers"), "the host is back", 60)
        wait_until(partial(all_have_keeper, place), "every host has Keeper", 90)
        place.start(rekeyed(version, place), (number + version // len(hosts) % 3 + 1) % len(hosts), DROPPED)
        is_whole(place, 240)
    assert version > 3
    note(HOSTS_KILLED, kills=version - 2, went_on=ended)
    place.is_settled(rekeyed(version, place))
