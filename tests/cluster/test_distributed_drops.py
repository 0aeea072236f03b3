"""A column that goes from a table and from the Distributed table over it."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Migration, Policy, Schema, Table, plan_schema
from aaiclick.errors import ApplyError, BlockedError, SchemaVersionError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import paired
from tests.cluster.places import PLACES, Place, place_on
from tests.cluster.rig.config import OTHERS

ID, V, NOTE, MORE = (
    Column("id", "UInt64"),
    Column("v", "UInt32"),
    Column("note", "String"),
    Column("more", "String"),
)
PAIR = pytest.mark.parametrize("place", PLACES[:1], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def local(*columns: Column) -> Table:
    return Table("events", list(columns), engine=MergeTree(order_by=["id"], replicated=""))


def shown(place: Place) -> list[list[str]]:
    """The columns of both tables, the same on every host."""
    columns = "SELECT groupArray(name) FROM (SELECT * FROM system.columns WHERE database = '{db}' AND table = '{t}')"
    tables = ("events", "events_all")
    return [place.cluster.same(columns.format(db=place.database, t=table))[0][0] for table in tables]


@PAIR
def test_one_permission_takes_it_from_both(place: Place) -> None:
    """The Distributed table loses it first: by the line of a migration, and by what the caller allows."""
    place.start(paired(place, 1, local(ID, V, NOTE, MORE)))

    def released(version: int, *columns: Column) -> Schema:
        objects = list(paired(place, version, local(*columns)).objects)
        decided = Migration(version=2, allow=["drop-column events.more"])
        later = [Migration(version=3)] if version == 3 else []
        return Schema("shop", version=version, objects=objects, cluster=place.named, migrations=[decided, *later])

    drops = ["events_all:drop-column:{0}", "events:drop-column:{0}"]
    assert [step.id for step in place.start(released(2, ID, V, NOTE)).steps] == [step.format("more") for step in drops]
    bare = released(3, ID, V)
    assert not place.start(bare).steps
    pending = plan_schema(place.cluster.hosts[1].database_url(place.database), bare).steps
    assert [(step.id, step.optional) for step in pending] == [(step.format("note"), True) for step in drops]
    report = place.start(bare, 1, Policy.lossless().allow("drop-column events.note"))
    assert [step.id for step in report.steps] == [step.format("note") for step in drops]
    assert shown(place) == [["id", "v"], ["id", "v"]]
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events_all (id) VALUES (1)")


@PAIR
def test_an_alias_that_only_the_distributed_table_has_stays_and_keeps_what_it_reads(place: Place) -> None:
    place.start(paired(place, 1, local(ID, V, NOTE, MORE)))
    for host in place.cluster.hosts:
        host.q(f"ALTER TABLE {place.database}.events_all ADD COLUMN twice String ALIAS concat(note, note)")
    bare = paired(place, 2, local(ID, V))
    drops = Policy.lossless().allow("drop-column events.more")
    assert [step.object for step in place.start(bare, 0, drops).steps] == ["events_all", "events"]
    with pytest.raises(BlockedError, match=r"refuses to drop note: column twice of .*Drop twice first"):
        place.start(bare, 0, Policy.lossless().allow("drop-column events.note"))
    assert shown(place) == [["id", "v", "note"], ["id", "v", "note", "twice"]]


@PAIR
def test_one_that_is_left_in_the_distributed_table_is_asked_for(place: Place) -> None:
    """As it is every INSERT into it is refused by the shards."""
    place.start(paired(place, 1, local(ID, V, NOTE)))
    cluster, url = place.cluster, place.cluster.hosts[1].database_url(place.database)
    cluster.hosts[0].q(f"ALTER TABLE {place.database}.events DROP COLUMN note", alter_sync=2)
    bare = paired(place, 2, local(ID, V))
    assert not plan_schema(url, bare).in_sync
    with pytest.raises(
        SchemaVersionError, match=r"events has no column note|has no column note.*drop-column events_all"
    ):
        place.start(bare)
    report = place.start(bare, 0, Policy.lossless().allow("drop-column events_all.note"))
    assert [step.id for step in report.steps] == ["events_all:drop-column:note"]
    assert shown(place) == [["id", "v"], ["id", "v"]]


@PAIR
def test_one_that_another_table_keeps_is_not_taken_away(place: Place) -> None:
    """A Distributed table that nobody declared, on one host only; and one whose declaration keeps it."""
    place.start(place.schema(1, [local(ID, V, NOTE)]))
    other, db = place.cluster.hosts[1], place.database
    over = f"ENGINE = Distributed('{place.cluster.name}', '{db}', 'events', id)"
    other.q(f"CREATE TABLE {db}.beside (id UInt64, v UInt32, note String) {over}")
    allowed = Policy.lossless().allow("drop-column events.note")
    with pytest.raises(BlockedError, match="the Distributed table beside has the column too, and keeps it"):
        place.start(place.schema(2, [local(ID, V)]), 0, allowed)
    other.q(f"DROP TABLE {db}.beside SYNC")
    other.q(f"CREATE VIEW {db}.notes AS SELECT id, note FROM {db}.events")
    with pytest.raises(BlockedError, match="the view notes may read or write note, and stands on host"):
        place.start(place.schema(2, [local(ID, V)]), 0, allowed)
    other.q(f"DROP VIEW {db}.notes SYNC")
    place.start(paired(place, 2, local(ID, V, NOTE)))
    with pytest.raises(BlockedError, match="the Distributed table events_all has the column too, and keeps it"):
        place.start(paired(place, 3, local(ID, V), ID, V, NOTE), 0, allowed)
    with pytest.raises(BlockedError, match="events_all is declared with column more, which events, the table that it"):
        place.start(paired(place, 3, local(ID, V, NOTE), ID, V, NOTE, MORE))


@PAIR
def test_one_over_another_cluster_is_not_in_front_of_ours(place: Place) -> None:
    """It has the column, under the names of our database and table, and what is inserted there goes to other hosts."""
    if not place.cluster.can_be_broken:
        pytest.skip(f"no cluster {OTHERS} on these servers")
    db, columns = place.database, "(id UInt64, v UInt32, note String)"
    place.start(place.schema(1, [local(ID, V, NOTE)]))
    place.cluster.hosts[1].q(f"CREATE TABLE {db}.far {columns} ENGINE = Distributed('{OTHERS}', '{db}', 'events', id)")
    place.cluster.hosts[0].q(f"CREATE TABLE {db}.away {columns} ENGINE = Distributed('{OTHERS}', '{db}', 'events', id)")
    place.start(place.schema(2, [local(ID, V)]), 0, Policy.lossless().allow("drop-column events.note"))
    kept = f"SELECT count() FROM system.columns WHERE database = '{db}' AND name = 'note'"
    assert [host.one(kept) for host in place.cluster.hosts] == [1, 1]


def fed_by_one_host(place: Place) -> tuple[str, Schema]:
    """A Distributed table that only the last host has, in a database that the others lack, with rows that wait; and a
    version in which another column of the pair gets another name."""
    place.start(paired(place, 1, local(ID, V, NOTE)))
    last, outer = place.cluster.hosts[-1], f"{place.database}_o"
    last.q(f"CREATE DATABASE {outer}")
    over = f"ENGINE = Distributed('{place.cluster.name}', '{place.database}', 'events', id)"
    last.q(f"CREATE TABLE {outer}.h (id UInt64, v UInt32) {over}")
    last.q(f"SYSTEM STOP DISTRIBUTED SENDS {outer}.h")
    last.q(
        f"INSERT INTO {outer}.h SELECT number, 1 FROM numbers(10)",
        distributed_foreground_insert=0,
        prefer_localhost_replica=0,
    )
    return outer, paired(place, 2, local(ID, V, Column("said", "String", renamed_from="note")))


@PAIR
def test_one_that_only_one_host_has_is_sent_there_and_nowhere_else(place: Place) -> None:
    outer, wanted = fed_by_one_host(place)
    first, last = place.cluster.hosts[0], place.cluster.hosts[-1]
    try:
        assert [step.object for step in place.start(wanted).steps] == ["events_all", "events"]
        assert shown(place) == [["id", "v", "said"], ["id", "v", "said"]]
        assert first.one(f"SELECT count() FROM {place.database}.events_all WHERE said = ''") == 10
    finally:
        last.q(f"DROP DATABASE {outer} SYNC")


@PAIR
def test_what_cannot_be_sent_is_found_before_the_distributed_table_changes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, wanted = fed_by_one_host(place)
    first, last = place.cluster.hosts[0], place.cluster.hosts[-1]
    # Another table of that name has nothing to send.
    first.q(f"CREATE DATABASE {outer}")
    first.q(f"CREATE TABLE {outer}.h (id UInt64) ENGINE = Memory")
    monkeypatch.setattr("aaiclick.apply.replicated.distributed_queues._SECONDS", 0.5)
    # The shards refuse these rows, as long as this stands.
    first.q(f"ALTER TABLE {place.database}.events ADD CONSTRAINT no CHECK v != 1", alter_sync=2)
    try:
        with pytest.raises(ApplyError, match=r"events: host .* has inserts into .* Nothing was changed") as raised:
            place.start(wanted)
        assert "Done before" not in str(raised.value)
        assert shown(place) == [["id", "v", "note"], ["id", "v", "note"]]
        first.q(f"ALTER TABLE {place.database}.events DROP CONSTRAINT no", alter_sync=2)
        place.start(wanted)
        assert shown(place) == [["id", "v", "said"], ["id", "v", "said"]]
    finally:
        for host in (first, last):
            host.q(f"DROP DATABASE {outer} SYNC")
