"""Materialized views that are put in place on all hosts of a cluster, and filled."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aaiclick import plan_schema
from aaiclick.aggregates import Measure
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, KILLED, fill
from tests.cluster.filled import followed, is_filled, nothing_left, summed
from tests.cluster.places import QUEUE_FIRST, Place, killed_at, place_on
from tests.cluster.rig.errors import RefusedError
from tests.cluster.writing import REFUSED, Writers, during
from tests.reliability.counts import every, note

DATABASE = pytest.param((2, 2, "database"), id="2x2-database", marks=pytest.mark.long)
ALL = [*QUEUE_FIRST, pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long), DATABASE]
HALVED = Measure("uniqExact(intDiv(id, 2))", "UInt64")


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("place", ALL, indirect=True)
def test_a_view_has_every_row_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were there, in chunks of a part; those that come in meanwhile; and equal ones each by itself."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema = followed(2, place)
    plan = plan_schema(place.cluster.hosts[-1].database_url(place.database), schema)
    assert "are refused on" in str(plan)
    assert not any(step.blocked for step in plan.steps)
    writers = Writers(place, {"events": {}})
    during(writers, lambda: place.start(schema, 1))
    assert writers.refused.keys() <= {REFUSED}
    is_filled(place)
    place.is_settled(schema)


@pytest.mark.slow
@pytest.mark.parametrize("place", ALL, indirect=True)
def test_aggregates(place: Place) -> None:
    """Made over a table with rows; with a measure more, which alone is filled; with another query, for which the
    target is emptied."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    hosts = place.cluster.hosts[:: place.cluster.replicas]
    for version, measures, wanted, allowed in (
        (2, {}, "count()", ()),
        (3, {"seen": "uniqExact(id)"}, "count(), uniqExact(id)", ()),
        (4, {"seen": HALVED}, "count(), uniqExact(intDiv(id, 2))", ("rebuild-aggregate sums",)),
    ):
        place.start(summed(version, place, **measures), version % 2, DROPPED.allow(*allowed))
        place.cluster.sync(f"{place.database}.sums")
        names = ", ".join(["s", "rows", *measures])
        for host in hosts:
            rows = host.rows(f"SELECT s, {wanted} FROM {place.database}.events GROUP BY s ORDER BY s")
            assert host.rows(f"SELECT {names} FROM {place.database}.read ORDER BY s") == rows
        nothing_left(place)
    place.is_settled(summed(4, place, seen=HALVED))


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", ALL, indirect=True)
def test_what_was_killed_is_brought_to_its_end_by_another_host(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first command, and after every one; with an INSERT through every host in between, which is refused or
    counts."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    place.start(followed(1, place, view=False))
    fill(place, 10)
    db, hosts = place.database, place.cluster.hosts
    for number, commands in enumerate(range(0, 400, every())):
        schema = followed(2 + number, place, number)
        killed = killed_at(place, schema, number % len(hosts), commands, DROPPED)
        for each, host in enumerate(hosts):
            with suppress(RefusedError):
                host.q(f"INSERT INTO {db}.events (id, v, s) VALUES ({10000 * number + each}, 1, 'between')")
        if not killed:
            break
        note(KILLED, kills=1)
        place.start(schema, (number + 1) % len(hosts), DROPPED)
        is_filled(place, f"copied{number or ''}")
        if not number:
            place.is_settled(schema)
        spread = f"ON CLUSTER '{place.cluster.name}'" if place.named else ""
        hosts[0].q(f"DROP TABLE {db}.feed{number or ''} {spread} SYNC")
        hosts[0].q(f"DROP TABLE {db}.copied{number or ''} {spread} SYNC")
    assert commands > 20
