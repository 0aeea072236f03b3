"""A host joins a Replicated database as a shard of its own, while a table is copied there or behind a kill of that."""

from __future__ import annotations

import re

import pytest

from aaiclick.errors import ApplyError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, turned
from tests.cluster.places import Place
from tests.cluster.test_copies_and_others import killed_behind_the_fence
from tests.cluster.test_fills import killed_before
from tests.cluster.test_joining_copies import begin, join, started

pytestmark = pytest.mark.slow
LONG = pytest.mark.long
MOMENTS = {"filling": "_aaiclick_new_", "closing": "ADD CONSTRAINT _aaiclick_fence"}


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Place:
    """Two replicas of one shard have the database; the first host of another shard joins later."""
    cluster = aaiclick_cluster(2, 2)
    return Place(cluster, cluster.replicated_database(first=2), None)


def is_copied(place: Place) -> None:
    """All three have the new table and take rows, of which each shard has its own."""
    for number, host in enumerate(place.cluster.hosts[:3]):
        host.q(f"INSERT INTO {place.database}.events (id, v, s) VALUES ({1000 + number}, 1, 'late')")
    for number, host in enumerate(place.cluster.hosts[:3]):
        host.q(f"SYSTEM SYNC REPLICA {place.database}.events")
        assert host.one(f"SELECT count() FROM {place.database}.events") == (602 if number < 2 else 1)
        keyed = f"SELECT sorting_key FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
        assert host.one(keyed) == "v, id"
        assert place.start(turned(2, place), number, DROPPED).in_sync


@pytest.mark.parametrize("moment", [pytest.param("filling", marks=LONG), "closing", "killed"])
def test_before_the_exchange_the_copy_is_undone(place: Place, moment: str) -> None:
    """On the new shard, too; the next start copies there what it has by then."""
    begin(place, turned(1, place))
    if moment == "killed":
        killed_behind_the_fence(place, turned(2, place))
        join(place)
    else:
        with pytest.raises(ApplyError, match=r"host \S+ joined while events was copied: the copy was undone on all"):
            started(place, turned(2, place), MOMENTS[moment])
    place.start(turned(2, place), 0, DROPPED)
    is_copied(place)


def test_from_the_exchange_on_the_new_shard_has_to_wait(place: Place) -> None:
    """Nobody has counted its rows. The sentence says what to do, and that brings the copy to its end."""
    begin(place, turned(1, place))
    killed_before(place, turned(2, place), "EXCHANGE TABLES")
    join(place)
    with pytest.raises(ApplyError, match=r"its copy was begun on the hosts .* and run again") as ended:
        place.start(turned(2, place), 0, DROPPED)
    advice = re.search(r"out of it until then \((DROP DATABASE [^)]+) there\)", str(ended.value))
    assert advice is not None
    place.cluster.hosts[2].q(f"{advice[1]} SYNC")
    place.start(turned(2, place), 0, DROPPED)
    join(place)
    # The server makes the tables of a database there behind the CREATE DATABASE.
    place.cluster.same(f"SELECT count() FROM system.tables WHERE database = '{place.database}'", place.cluster.hosts[:3])
    is_copied(place)
