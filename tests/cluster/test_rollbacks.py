"""The way back of a version in which a replicated table was copied: the kept table comes back on all hosts, with the rows
that came since."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from aaiclick import Schema, rollback_schema
from aaiclick.api.prune import prune_kept
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import AaiclickError, ApplyError, SchemaError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import KILLED, SETTINGS_LEFT, fill, is_whole, regrained, rekeyed, table, turned
from tests.cluster.places import PLACES, QUEUE_FIRST, Place, dead, place_on
from tests.cluster.writing import REFUSED, Writers, during
from tests.reliability.counts import note
from tests.reliability.driving import Driver, KilledError


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


QUEUE_FIRST_KINDS = pytest.mark.parametrize(
    "place", [*QUEUE_FIRST, pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long)], indirect=True
)
EVERYWHERE = pytest.mark.parametrize("place", PLACES, indirect=True)
MERGED = "SELECT count() FROM system.parts WHERE database = '{db}' AND table = 'events' AND active"


def back(place: Place, version: int, host: int = 0, **more: Any) -> Any:
    return rollback_schema(place.cluster.hosts[host].database_url(place.database), turned(version, place), **more)


def add(place: Place, first: int) -> int:
    """Ten rows by every host; how many that were."""
    for number, host in enumerate(place.cluster.hosts):
        host.q(
            f"INSERT INTO {place.database}.events (id, v, s) SELECT {first + 10 * number} + number, 7, 'since' FROM "
            "numbers(10)"
        )
    return 10 * len(place.cluster.hosts)


@pytest.mark.slow
@QUEUE_FIRST_KINDS
def test_the_kept_table_comes_back_with_what_came_since(place: Place) -> None:
    """Also where that was merged with rows of the copy meanwhile. The code of the older version has nothing to do then,
    and that of the newer one can go forward again."""
    rows = 180 * len(place.cluster.hosts)
    place.start(turned(1, place))
    fill(place, 60)
    place.start(turned(2, place))
    rows += add(place, 1_000_000)
    place.cluster.sync(f"{place.database}.events")
    for host in place.cluster.hosts[:: place.cluster.replicas]:
        host.q(f"OPTIMIZE TABLE {place.database}.events FINAL", alter_sync=2)
    assert place.cluster.same(MERGED.format(db=place.database)) == [[1]]
    report = back(place, 2, 1)
    assert (report.to_version, report.notes) == (1, ())
    is_whole(place, rows, kept=1)
    place.is_settled(turned(1, place))


@pytest.mark.slow
@QUEUE_FIRST_KINDS
def test_updates_that_wait_in_patch_parts_come_back(place: Place) -> None:
    """Each host attaches what its own shard has, and a patch part is not attached with the rest."""

    def patched(version: int) -> Schema:
        columns: dict[str, Any] = {"enable_block_number_column": 1, "enable_block_offset_column": 1}
        keyed = table(*((("id",), "UInt32") if version % 2 else (("v", "id"), "UInt64")), **columns)
        return place.schema(version, [keyed])

    seen = f"SELECT count(), sum(v), countIf(s = 'changed') FROM {place.database}.events"
    place.start(patched(1))
    fill(place, 20)
    for host in place.cluster.hosts[:: place.cluster.replicas]:
        host.q(f"UPDATE {place.database}.events SET v = 70000, s = 'changed' WHERE id % 3 = 0")
        # Numbers of blocks are given in each partition anew: one that came later has a higher one.
        host.q(f"INSERT INTO {place.database}.events (id, v, s) VALUES (5000000, 1, 'later')")
    place.cluster.sync(f"{place.database}.events")
    before = place.cluster.same(seen)
    place.start(patched(2))
    assert place.cluster.same(seen) == before
    host = place.cluster.hosts[0]
    report = rollback_schema(host.database_url(place.database), patched(2), to=1)
    assert (report.to_version, report.notes) == (1, ())
    place.cluster.sync(f"{place.database}.events")
    assert place.cluster.same(seen) == before
    assert before[0][2] > 0


@QUEUE_FIRST_KINDS
def test_what_cannot_be_told_apart_is_refused(place: Place) -> None:
    """Rows of the copy are gone, whether they were deleted or moved about: then nobody knows what came since."""
    place.start(turned(1, place))
    fill(place, 20)
    place.start(turned(2, place))
    place.cluster.hosts[1].q(f"ALTER TABLE {place.database}.events DELETE WHERE id < 5", mutations_sync=2)
    with pytest.raises(SchemaError, match="rows of events that were copied are not where they were"):
        back(place, 2)
    left = 60 * len(place.cluster.hosts) - 5
    is_whole(place, left, kept=1)


@pytest.mark.proof
@EVERYWHERE
def test_writers_of_every_host_lose_no_row(place: Place) -> None:
    """Through a rollback of parts that were taken over."""
    place.start(regrained(1, place))
    fill(place, 60)
    place.start(regrained(2, place))
    writers = Writers(place, {"events": {}})
    if place.cluster.shards > 1:
        place.cluster.hosts[0].q(
            f"CREATE TABLE {place.database}.events_all ON CLUSTER {place.cluster.name} AS {place.database}.events "
            f"ENGINE = Distributed({place.cluster.name}, {place.database}, events, id)"
        )
    url = place.cluster.hosts[0].database_url(place.database)
    during(writers, lambda: rollback_schema(url, regrained(2, place)))
    assert writers.refused.keys() <= {REFUSED}
    seen = "events_all" if place.cluster.shards > 1 else "events"
    place.cluster.sync(f"{place.database}.events")
    writers.are_there_once(seen, 30)
    is_whole(place, 180 * len(place.cluster.hosts) + writers.rows(seen), kept=1)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@EVERYWHERE
def test_one_that_was_killed_is_gone_on_with(place: Place) -> None:
    """Before the first command and after every fifth, through another host."""
    rows = 60 * len(place.cluster.hosts)
    place.start(turned(1, place))
    fill(place, 20)
    killed = 0
    for commands in range(0, 400, 5):
        place.start(turned(2, place), commands % 2)
        rows += add(place, 1_000_000 + 1000 * commands)
        opened = open_url(place.cluster.hosts[0].database_url(place.database))
        run = Rollback(turned(2, place), place.database, None, frozenset(), False, dead(), False, 0)
        try:
            Driver(opened).run(rollback(run), commands)
            break
        except KilledError:
            killed += 1
        finally:
            opened.close()
        with suppress(AaiclickError):  # it was recorded already
            back(place, 2, 1)
        is_whole(place, rows, kept=None)
        place.is_settled(turned(1, place))
    assert killed > 10
    note(KILLED, kills=killed)


@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_what_is_kept_is_pruned_on_every_host(place: Place) -> None:
    place.start(rekeyed(1, place))
    fill(place, 10)
    place.start(rekeyed(2, place))
    one, two = (host.database_url(place.database) for host in place.cluster.hosts)
    ((row, _),) = prune_kept(two, dry_run=True)
    assert (row.kept.table, row.rows, [each.rows for each in row.hosts]) == ("events", 60, [60, 60])
    place.cluster.hosts[0].kill()
    with pytest.raises(ApplyError, match="does not answer"):
        prune_kept(two)
    place.cluster.hosts[0].start()
    assert [(found.name, goes) for found, goes in prune_kept(two)] == [(row.name, True)]
    is_whole(place, 60)
    assert place.cluster.same(SETTINGS_LEFT.format(db=place.database).replace("%_window%", "%block_number%")) == [[0]]
    assert prune_kept(one) == ()
    place.start(rekeyed(2, place))  # writes down that a setting went with it
    place.is_settled(rekeyed(2, place))
