"""A rollback of a table that was copied, and of the Distributed table over it, which was altered in step."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Schema, Table, rollback_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, SchemaError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import paired
from tests.cluster.places import PLACES, QUEUE_FIRST, Place, dead, place_on
from tests.reliability.driving import Driver, KilledError

OLD = [Column("id", "UInt64"), Column("v", "UInt32"), Column("x", "UInt8")]
NEW = [*OLD[:2], Column("y", "UInt8", renamed_from="x"), Column("z", "String", default="'zz'")]
LARGE = pytest.param(PLACES[2].values[0], id=PLACES[2].id, marks=pytest.mark.long)
PAIR = pytest.mark.parametrize("place", PLACES[:1], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def released(place: Place, version: int) -> Schema:
    """The second version has other names and another sort key."""
    columns, key = (OLD, ["id"]) if version == 1 else (NEW, ["v", "id"])
    return paired(place, version, Table("events", columns, engine=MergeTree(order_by=key, replicated="")))


def upgraded(place: Place) -> str:
    """At the second version, with rows of both; the name of the Distributed table."""
    name = f"{place.database}.events_all"
    place.start(released(place, 1))
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events SELECT number, 1, 3 FROM numbers(100)")
    place.start(released(place, 2))
    for host_number, host in enumerate(place.cluster.hosts, 1):
        host.q(f"SYSTEM STOP DISTRIBUTED SENDS {name}")
        host.q(
            f"INSERT INTO {name} (id, v, y, z) SELECT {host_number} * 1000 + number, 1, 5, 'q' FROM numbers(40)",
            distributed_foreground_insert=0,
            prefer_localhost_replica=0,
        )
    return name


def is_back(place: Place, name: str) -> None:
    """Both tables have the older columns on all hosts, every row is there once, and the pair takes more."""
    for table in ("events", "events_all"):
        columns = (
            "SELECT groupArray((name, type)) FROM (SELECT * FROM system.columns WHERE database = '{}' AND table = '{}')"
        )
        shown = place.cluster.same(columns.format(place.database, table))
        assert [tuple(each) for each in shown[0][0]] == [(column.name, column.type) for column in OLD]
    rows = 100 + 40 * len(place.cluster.hosts)
    sums = 300 + 200 * len(place.cluster.hosts)
    counted = f"SELECT count(), uniqExact(id), toInt64(sum(x)) FROM {name}"
    for host in place.cluster.hosts:
        host.q(f"SYSTEM FLUSH DISTRIBUTED {name}")
        assert host.one("SELECT sum(data_files) + sum(broken_data_files) FROM system.distribution_queue") == 0
    place.cluster.sync(f"{place.database}.events")
    assert place.cluster.same(counted) == [[rows, rows, sums]]
    place.cluster.hosts[-1].q(f"INSERT INTO {name} (id, v, x) VALUES (7777, 1, 1)", distributed_foreground_insert=1)
    place.cluster.sync(f"{place.database}.events")
    assert place.cluster.hosts[0].one(f"SELECT count() FROM {name}") == rows + 1
    assert not place.start(released(place, 1)).steps


@pytest.mark.parametrize("place", [*QUEUE_FIRST, LARGE], indirect=True)
def test_both_go_back_and_what_waits_is_sent(place: Place) -> None:
    name = upgraded(place)
    url = place.cluster.hosts[-1].database_url(place.database)
    report = rollback_schema(url, released(place, 1), to=1)
    assert [step.object for step in report.steps] == ["events_all", "events", "events_all"]
    is_back(place, name)


@PAIR
def test_one_that_nobody_declared_is_named_with_its_statement(place: Place) -> None:
    upgraded(place)
    first, db = place.cluster.hosts[0], place.database
    over = f"ENGINE = Distributed('{place.cluster.name}', '{db}', 'events', id)"
    first.q(f"CREATE TABLE {db}.beside (id UInt64, v UInt32, y UInt8, z String) {over}")
    said = rf"beside: its table will have no column y, z.*ALTER TABLE `{db}`.`beside` DROP COLUMN `y`, DROP COLUMN `z`"
    with pytest.raises(SchemaError, match=said):
        rollback_schema(first.database_url(db), released(place, 2), to=1)
    assert place.cluster.same(
        f"SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'events_all'"
    ) == [[4]]


@PAIR
@pytest.mark.long
def test_a_killed_one_is_brought_to_its_end(place: Place) -> None:
    name = upgraded(place)
    last = place.cluster.hosts[-1]
    asked = Rollback(released(place, 1), place.database, 1, frozenset(), False, dead(), False, 3600)
    commands, killed = 6, True
    while killed and commands < 200:
        opened = open_url(last.database_url(place.database))
        try:
            Driver(opened).run(rollback(asked), commands)
            killed = False
        except KilledError:
            commands += 9
        finally:
            opened.close()
    assert not killed
    is_back(place, name)


@PAIR
def test_rows_that_cannot_be_sent_stop_it_with_both_as_they_were(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = upgraded(place)
    first, db = place.cluster.hosts[0], place.database
    monkeypatch.setattr("aaiclick.apply.replicated.distributed_queues._SECONDS", 0.5)
    first.q(f"ALTER TABLE {db}.events ADD CONSTRAINT no CHECK y != 5", alter_sync=2)
    with pytest.raises(ApplyError, match=r"events: host .* has inserts into .*events_all.* Nothing was changed"):
        rollback_schema(first.database_url(db), released(place, 2), to=1)
    assert place.cluster.same(
        f"SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'events_all'"
    ) == [[4]]
    first.q(f"INSERT INTO {name} (id, v, y) VALUES (1, 1, 1)")
