"""Changes in place that rows may break, on replicas: a writer of the other host comes between the look at the rows and
the change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick import Column, Constraint, Policy, Schema
from aaiclick.clickhouse.names import GUARD
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import ApplyError
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import DATABASE_FIRST, PLACES, QUEUE_FIRST, Place, dead, events, place_on
from tests.cluster.rig.errors import RefusedError
from tests.reliability.driving import Driver, KilledError

NARROW, CHECKED = "type", "constraint"
WIDE = Column("v", "UInt32")
AFTER = {
    NARROW: events(Column("v", "UInt16")),
    CHECKED: events(WIDE, constraints=[Constraint("positive", check="v > 0")]),
}
BAD = {NARROW: 70000, CHECKED: 0}
SHOWN = (
    f"SELECT create_table_query LIKE '%{GUARD}%', create_table_query LIKE '%`v` UInt16%' OR create_table_query LIKE "
    "'%CONSTRAINT positive%' FROM system.tables WHERE database = '{db}' AND name = 'events'"
)
"""Whether a guard is there, and whether the change is."""
SHARDS = PLACES[2:]


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    made = place_on(aaiclick_cluster, request.param)
    made.start(made.schema(1, [events(WIDE)]))
    return made


def fill(place: Place) -> None:
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.events SELECT number, number + 1 FROM numbers({10 * number}, 10)")
    place.cluster.sync(f"{place.database}.events")


def shown(place: Place) -> list[list[int]]:
    return place.cluster.same(SHOWN.format(db=place.database))


def hooked(place: Place, schema: Schema, when: Callable[[str], bool], do: Callable[[], None]) -> None:
    """A start through the first host; something happens before its first statement about a guard of that kind."""
    left = [do]

    def before(effect: Effect) -> None:
        if left and isinstance(effect, Command) and GUARD in effect.sql and when(effect.sql):
            left.pop()()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        run = Run(schema, place.database, Policy.lossless(), dead(), False, VERSION)
        Driver(opened, before=before).run(ensure(run))
    finally:
        opened.close()
    assert not left


def adds(sql: str) -> bool:
    return "ADD CONSTRAINT" in sql and "CHECK NOT" in sql


def relies(sql: str) -> bool:
    return "DROP CONSTRAINT" in sql


def killed() -> None:
    raise KilledError


@pytest.mark.parametrize("kind", AFTER)
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_a_row_of_the_other_host_is_found_or_refused(place: Place, kind: str) -> None:
    """Also the first row of all: its block has the number 0."""
    schema, (_, other) = place.schema(2, [AFTER[kind]]), place.cluster.hosts
    name, bad = f"{place.database}.events", BAD[kind]

    def insert() -> None:
        other.q(f"INSERT INTO {name} VALUES (99, {bad})")

    found = rf"1 row .* \(?{bad}\)?: it came in after the count\. Nothing was changed\. Run again"
    with pytest.raises(ApplyError, match=found):
        hooked(place, schema, adds, insert)
    assert shown(place) == [[0, 0]]
    other.q(f"TRUNCATE TABLE {name}", alter_sync=2)
    fill(place)

    def refused() -> None:
        with pytest.raises(RefusedError, match=GUARD):
            insert()
        other.q(f"INSERT INTO {name} VALUES (99, 9)")

    hooked(place, schema, relies, refused)
    assert shown(place) == [[0, 1]]
    place.cluster.sync(name)
    assert place.cluster.same(f"SELECT count(), uniqExact(id), sum(v) FROM {name}") == [[21, 21, 219]]
    place.is_settled(schema)


@pytest.mark.parametrize("place", SHARDS, indirect=True)
def test_a_row_of_another_shard_is_found_or_refused(place: Place) -> None:
    """Whichever of its hosts took it, and whether the other one has fetched it or not."""
    fill(place)
    schema, hosts, name = place.schema(2, [AFTER[NARROW]]), place.cluster.hosts, f"{place.database}.events"

    def insert() -> None:
        hosts[2].q(f"SYSTEM STOP FETCHES {name}")
        hosts[3].q(f"INSERT INTO {name} VALUES (99, 70000)")

    found = r"1 row .* \(?70000\)?: it came in after the count\. Nothing was changed\. Run again"
    with pytest.raises(ApplyError, match=found):
        hooked(place, schema, adds, insert)
    assert shown(place) == [[0, 0]]
    hosts[2].q(f"SYSTEM START FETCHES {name}")
    hosts[3].q(f"ALTER TABLE {name} DELETE WHERE id = 99", mutations_sync=2)

    def refused() -> None:
        for host in hosts:
            with pytest.raises(RefusedError, match=GUARD):
                host.q(f"INSERT INTO {name} VALUES (99, 70000)")
        hosts[2].q(f"INSERT INTO {name} VALUES (98, 9)")

    hooked(place, schema, relies, refused)
    assert shown(place) == [[0, 1]]
    place.cluster.sync(name)
    assert [host.rows(f"SELECT count(), max(v) FROM {name}")[0] for host in hosts] == [[20, 20]] * 2 + [[21, 40]] * 2
    place.is_settled(schema)


@pytest.mark.parametrize(
    "place", [*DATABASE_FIRST, pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long)], indirect=True
)
def test_what_a_killed_run_left_goes_with_the_next_start_through_the_other_host(place: Place) -> None:
    fill(place)
    schema = place.schema(2, [AFTER[NARROW]])
    with pytest.raises(KilledError):
        hooked(place, schema, relies, killed)
    assert shown(place) == [[1, 0]]
    place.start(schema, len(place.cluster.hosts) - 1)
    assert shown(place) == [[0, 1]]
    place.is_settled(schema)
