"""Rows that merges would combine under another key, and that no host had when the plan counted: looked for again before
the exchange, on the host of each shard that has all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Timer

import pytest

from aaiclick import Column, Policy, ReplacingMergeTree, Schema, Table, View
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import ApplyError, BlockedError, SchemaVersionError
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, REMAINS, home
from tests.cluster.places import PLACES, Place, dead, place_on
from tests.reliability.driving import Driver

COLUMNS = [Column("k", "UInt64"), Column("x", "UInt64"), Column("ver", "UInt64")]
KEY = "change-sort-key events"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def keyed(place: Place, version: int, order_by: Sequence[str]) -> Schema:
    made = ReplacingMergeTree(order_by=list(order_by), version="ver", replicated="")
    return place.schema(version, [Table("events", COLUMNS, engine=made)])


def hooked(
    place: Place, schema: Schema, when: Callable[[str], bool], do: Callable[[], object], policy: Policy = DROPPED
) -> None:
    """A start through the first host; something happens before its first statement of that kind."""
    left = [do]

    def before(effect: Effect) -> None:
        if left and isinstance(effect, Command) and when(effect.sql):
            left.pop()()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        Driver(opened, before=before).run(ensure(Run(schema, place.database, policy, dead(), False, VERSION)))
    finally:
        opened.close()
        assert not left


def copies(sql: str) -> bool:
    return "CREATE TABLE" in sql and "_aaiclick_new_" in sql


def refuses(sql: str) -> bool:
    return "ADD CONSTRAINT" in sql and FENCE_CONSTRAINT in sql


MOMENTS = {"before the copy": copies, "before writers are refused": refuses}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]], indirect=True)
def test_a_row_that_came_after_the_plan_is_not_combined_unasked(place: Place, moment: str) -> None:
    """Whatever host took it. The copy is given up, writers are let in, and it has to be allowed by name."""
    place.start(keyed(place, 1, ("k", "x")))
    name, hosts = f"{place.database}.events", place.cluster.hosts
    for shard, host in enumerate(hosts[:: place.cluster.replicas]):
        host.q(f"INSERT INTO {name} SELECT {100 * shard} + number, 0, 1 FROM numbers(20)")
    place.cluster.sync(name)
    last, key = hosts[-1], 100 * (place.cluster.shards - 1) + 7
    schema = keyed(place, 2, ("k",))

    def insert() -> None:
        last.q(f"INSERT INTO {name} VALUES ({key}, 1, 2)")

    said = rf"loses-rows: .* rows of \d+ keys? are combined to \d+\. .*came in after the count.*--allow '{KEY}'"
    with pytest.raises(ApplyError, match=said):
        hooked(place, schema, MOMENTS[moment], insert)
    place.cluster.sync(name)
    rows = 20 * place.cluster.shards + 1
    assert sum(host.one(f"SELECT count() FROM {name}") for host in hosts[:: place.cluster.replicas]) == rows
    assert place.cluster.same(REMAINS.format(db=place.database, home=home(place))) == []
    last.q(f"INSERT INTO {name} VALUES (99, 1, 2)")
    with pytest.raises(SchemaVersionError, match=f"are combined to.*'{KEY}'"):
        place.start(schema, 0, DROPPED)
    place.start(schema, 0, DROPPED.allow(KEY))
    place.is_settled(schema)


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_rows_that_are_combined_in_any_case_or_by_leave_stop_nothing(place: Place) -> None:
    """Another row of a key, another key of its own, and one that is combined because somebody has said so."""
    place.start(keyed(place, 1, ("k", "x")))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    one.q(f"INSERT INTO {name} SELECT number, 0, 1 FROM numbers(20)")
    place.cluster.sync(name)
    hooked(place, keyed(place, 2, ("k",)), refuses, lambda: two.q(f"INSERT INTO {name} VALUES (7, 0, 2), (50, 3, 1)"))
    place.cluster.sync(name)
    assert place.cluster.same(f"SELECT count(), uniqExact(k) FROM {name} FINAL") == [[21, 21]]
    hooked(place, keyed(place, 3, ("k", "x")), refuses, lambda: two.q(f"INSERT INTO {name} VALUES (60, 0, 2)"))
    allowed = DROPPED.allow(KEY)
    hooked(
        place, keyed(place, 4, ("k",)), refuses, lambda: two.q(f"INSERT INTO {name} VALUES (60, 1, 1)"), policy=allowed
    )
    place.cluster.sync(name)
    assert place.cluster.same(f"SELECT count(), uniqExact(k) FROM {name} FINAL") == [[22, 22]]


KINDS = {
    "a shorter key": (("k",), "UInt64", "changes-values|are combined to|'change-sort-key events'"),
    "a narrower type": (("k", "x"), "UInt16", "70000"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [PLACES[0], PLACES[2]], indirect=True)
def test_a_replica_that_is_behind_is_waited_for_and_named(place: Place, kind: str) -> None:
    """The host that is asked has all rows but one, which came just now. Where it does not fetch that, the step is
    blocked; a comment is changed all the same. A view reads the table: its query is tried over clones of their own
    each time."""
    order_by, version, said = KINDS[kind]

    def schema(number: int, order_by: Sequence[str], kind: str, comment: str = "") -> Schema:
        engine = ReplacingMergeTree(order_by=list(order_by), version="ver", replicated="")
        columns = [Column("k", "UInt64", comment=comment or None), COLUMNS[1], Column("ver", kind)]
        view = View("seen", query="SELECT k FROM events")
        return place.schema(number, [Table("events", columns, engine=engine), view])

    place.start(schema(1, ("k", "x"), "UInt64"))
    name, hosts = f"{place.database}.events", place.cluster.hosts
    for host in hosts[:: place.cluster.replicas]:
        host.q(f"INSERT INTO {name} SELECT number, 0, 1 FROM numbers(100)")
    place.cluster.sync(name)
    behind, other = hosts[-2], hosts[-1]
    behind.q(f"SYSTEM STOP FETCHES {name}")
    other.q(f"INSERT INTO {name} VALUES (7, 1, 70000)")
    wanted = schema(2, order_by, version)
    with pytest.raises(BlockedError, match=r"hosts? \S+ has not fetched rows of events that others have written"):
        place.start(wanted, 0, DROPPED)
    assert place.start(schema(2, ("k", "x"), "UInt64", "the key"), 0, DROPPED).steps
    later = Timer(3, lambda: behind.q(f"SYSTEM START FETCHES {name}"))
    later.start()
    with pytest.raises((SchemaVersionError, BlockedError), match=said):
        place.start(schema(3, order_by, version, "the key"), 0, DROPPED)
    later.join()
    assert other.one(f"SELECT count() FROM {name}") == 101
