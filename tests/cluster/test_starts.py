"""Starts on several hosts: they see the same records, one at a time changes something, and a start goes on with what
was killed on another host."""

from __future__ import annotations

import time

import pytest

from aaiclick import (
    Column,
    Policy,
    Schema,
    View,
    ensure_schema,
    plan_schema,
    rollback_schema,
    validate_schema,
)
from aaiclick.api.adopt import adopt_schema
from aaiclick.api.history import schema_history
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import ApplyError, SchemaError, UsageError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Query
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import DATABASE_FIRST, QUEUE_FIRST, Place, events, killed_at, place_on, started_together
from tests.reliability.driving import Driver

DEFINED = (
    "SELECT create_table_query FROM system.tables WHERE database = '{}' AND name IN ('events', 'seen') ORDER BY name"
)
V, W = Column("v", "UInt64"), Column("w", "UInt64")


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


KINDS = pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
ALL_KINDS = pytest.mark.parametrize(
    "place",
    [*QUEUE_FIRST, pytest.param((2, 2, "database"), id="2x2-database", marks=pytest.mark.long)],
    indirect=True,
)


def statements(place: Place, host: int, schema: Schema) -> list[str]:
    opened = open_url(place.cluster.hosts[host].database_url(place.database))
    driver = Driver(opened)
    run = Run(schema, place.database, Policy.lossless(), this_process(), False, VERSION)
    assert driver.run(ensure(run)).in_sync
    opened.close()
    return [effect.sql for effect in driver.seen if isinstance(effect, Query)]


@ALL_KINDS
def test_a_start_with_nothing_to_do_asks_twice_on_every_host(place: Place) -> None:
    schema = place.schema(1, [events(V), View("seen", query="SELECT id FROM events")])
    place.settle(schema)
    for host in range(len(place.cluster.hosts)):
        assert len(statements(place, host, schema)) == 2
    older = place.schema(2, [events(V, W), View("seen", query="SELECT id FROM events")])
    place.settle(older, host=len(place.cluster.hosts) - 1)


def moved(version: int, place: Place) -> Schema:
    """A change of every group of an ALTER, a mutation and a view in each version."""
    kind = "String" if version % 2 else "LowCardinality(String)"
    more = [Column(f"c{number}", "UInt8", comment=f"of {version}") for number in range(2, version + 1)]
    table = events(
        Column("m", kind),
        *more,
        comment=f"at {version}",
        engine={"settings": {"merge_max_block_size": 4096 + version}},
    )
    view = View("seen", query=f"SELECT id, {version} AS at FROM events")
    return place.schema(version, [table, view])


@pytest.mark.parametrize("step", [pytest.param(83, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.proof)])
@KINDS
def test_a_start_that_was_killed_is_gone_on_with_from_another_host(place: Place, step: int) -> None:
    """Before the first command of an ALTER of every group with a mutation and a view, and after every one."""
    policy = Policy.lossless()
    urls = [host.database_url(place.database) for host in place.cluster.hosts]
    ensure_schema(urls[0], moved(1, place), policy)
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events (id, m) SELECT number, number FROM numbers(100)")
    version, killed = 1, 0
    for commands in range(0, 200, step):
        version += 1
        schema = moved(version, place)
        if not killed_at(place, schema, version % 2, commands, policy):
            break
        killed += 1
        place.start(schema, (version + 1) % 2, policy)
        shown = {table for (table,) in place.cluster.same(DEFINED.format(place.database))}
        assert all(f"at {version}" in definition or f"{version} AS at" in definition for definition in shown), shown
    assert killed > 30 / step
    place.is_settled(moved(version, place))
    for url in urls:
        told = [record.version for record in schema_history(url, moved(version, place))]
        assert told == list(range(1, version + 1))
    assert place.cluster.same(f"SELECT count(), sum(toUInt64(m)) FROM {place.database}.events") == [[100, 4950]]


@pytest.mark.parametrize("place", DATABASE_FIRST, indirect=True)
def test_what_one_host_had_recorded_is_brought_over_by_a_start_through_the_other(place: Place) -> None:
    """Also where the declared tables are all there, and nothing has to be changed."""
    one, two = (host.database_url(place.database) for host in place.cluster.hosts)
    alone = Policy.lossless().allow("one-node")
    seen = View("seen", query="SELECT 1 AS a")
    first, same = Schema("shop", version=1, objects=[seen]), place.schema(1, [seen])
    ensure_schema(one, first, alone)
    before = schema_history(one, first)
    assert [record.version for record in before] == [1]
    assert validate_schema(one, same).live_version == 1
    with pytest.raises(ApplyError, match=r"is kept by host .* \(1 row\) alone"):
        validate_schema(two, same)
    if place.named:
        place.start(same, 1)  # which lacks the view
        place.is_settled(same)
    place.settle(place.schema(2, [View("seen", query="SELECT 2 AS a")]), host=1)
    for url in (one, two):
        assert schema_history(url, first)[:1] == before
    if place.named:
        with pytest.raises(UsageError, match="nothing says which cluster that is"):
            ensure_schema(one, first, Policy.lossless())


def test_a_host_that_lacks_something_is_named_and_made_whole_through_it(aaiclick_cluster: ClusterFactory) -> None:
    place = place_on(aaiclick_cluster, (1, 2, "queue"))
    one, two = place.cluster.hosts
    seen = View("seen", query="SELECT id FROM events")
    schema = place.schema(1, [events(V), seen])
    place.settle(schema)
    for table in ("events", "schema_version", "_aaiclick_notes"):
        two.q(f"DROP TABLE {place.database}.{table} SYNC")
    status = validate_schema(one.database_url(place.database), schema)
    assert (status.state, [host.differs for host in status.hosts]) == ("drift", [(), ("events is missing",)])
    assert status.differences[-1].endswith(": events is missing")
    with pytest.raises(ApplyError, match=r"this host lacks tables of .* that .* share: aaiclick migrate .*makes them"):
        validate_schema(two.database_url(place.database), schema)
    assert status.hosts[1].peer is not None
    assert str(status.hosts[1].peer.http) in two.database_url("")
    with pytest.raises(ApplyError, match="not every host has what is declared") as raised:
        place.start(place.schema(2, [events(V), seen]))
    assert raised.value.through == status.hosts[1].peer
    notes = plan_schema(one.database_url(place.database), place.schema(2, [events(V, W), seen])).notes
    assert notes[-1].endswith(": events is missing")
    for host in (0, 1):
        with pytest.raises(ApplyError, match=r"before anything is changed: host .* lacks events, which others have"):
            place.start(place.schema(2, [events(V, W), seen]), host)
    place.start(schema, 1)
    place.is_settled(schema)
    one.q(f"INSERT INTO {place.database}.events VALUES (1, 1)")
    place.cluster.sync(f"{place.database}.events")
    assert two.one(f"SELECT count() FROM {place.database}.events") == 1


@pytest.mark.long
def test_what_differs_on_a_host_is_told_by_the_declaration_and_put_right(aaiclick_cluster: ClusterFactory) -> None:
    place = place_on(aaiclick_cluster, (1, 2, "queue"))
    one, two = place.cluster.hosts
    schema = place.schema(1, [events(V), View("seen", query="SELECT id FROM events")])
    place.settle(schema)
    # Whose view is the other one is told by the declaration: of two hosts none has what most have.
    one.q(f"CREATE OR REPLACE VIEW {place.database}.seen AS SELECT 2 AS id")
    status = validate_schema(two.database_url(place.database), schema)
    assert [host.differs for host in status.hosts] == [("seen differs",), ()]
    # What a run left on another host that was killed long ago goes with the next one.
    scratch = f"_aaiclick_scratch_{1:08x}{1:012x}"
    two.q(f"CREATE DATABASE {scratch}")
    place.start(schema)
    assert place.cluster.same(f"SELECT count() FROM system.databases WHERE name = '{scratch}'") == [[0]]
    place.is_settled(schema)
    two.q(f"DETACH TABLE {place.database}.events PERMANENTLY")
    status = validate_schema(one.database_url(place.database), schema)
    assert status.hosts[1].differs == ("events is detached (ATTACH TABLE `events` there brings it back)",)
    assert status.hosts[1].peer is None
    with pytest.raises(ApplyError, match="has events detached"):
        place.start(schema, 1)


def test_records_of_a_database_that_was_dropped_are_not_taken_for_those_of_a_new_one(
    aaiclick_cluster: ClusterFactory,
) -> None:
    """One that was restored has its tables; it keeps its records, whatever its UUID is."""
    place = place_on(aaiclick_cluster, (1, 2, "database"))
    name, (one, two) = place.database, place.cluster.hosts
    schema = place.schema(1, [events(V)])
    place.start(schema)
    for host in (one, two):
        host.q(f"DROP DATABASE {name} SYNC")
    place.cluster.everywhere(
        f"CREATE DATABASE {name} ENGINE = Replicated('/databases/{name}_2', '{{shard}}', '{{replica}}')"
    )
    with pytest.raises(UsageError, match=f"is of another one of that name.*: DROP DATABASE .*{name}`.*") as raised:
        place.start(schema, 1)
    one.q(f"CREATE TABLE {name}.events (id UInt64, v UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    assert validate_schema(two.database_url(name), schema).live_version == 1
    one.q(f"DROP TABLE {name}.events SYNC")
    one.q(str(raised.value).rpartition(": ")[2])
    assert validate_schema(two.database_url(name), schema).live_version == 0
    place.settle(schema, host=1)


@KINDS
def test_what_is_adopted_through_one_host_counts_for_all(place: Place) -> None:
    """There is no way back of a change of definitions alone, on a cluster as on one host."""
    one, two = (host.database_url(place.database) for host in place.cluster.hosts)
    first, second = place.schema(1, [events(V)]), place.schema(2, [events(V, W)])
    place.start(first)
    place.start(second, 1)
    with pytest.raises(SchemaError, match="no table of v1 is kept"):
        rollback_schema(one, second)
    adopt_schema(two, second, 2)
    told = schema_history(one, second)
    assert [(record.version, record.state) for record in told] == [(1, "applied"), (2, "applied"), (2, "adopted")]
    assert schema_history(two, second) == told
    place.start(second)
    place.is_settled(second)


STARTING = """
import sys
from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
url, cluster, version = sys.argv[1], sys.argv[2] or None, int(sys.argv[3])
columns = [Column("id", "UInt64"), *(Column(f"c{number}", "UInt8") for number in range(version))]
table = Table("events", columns, engine=MergeTree(order_by=["id"], replicated=""))
print("ready", flush=True)
sys.stdin.readline()
report = ensure_schema(url, Schema("shop", version=version, objects=[table], cluster=cluster), Policy.lossless())
print(len(report.steps))
"""


@pytest.mark.parametrize(
    ("processes", "versions"),
    [
        pytest.param(4, 1, marks=pytest.mark.slow),
        pytest.param(4, 2, marks=pytest.mark.long),
        pytest.param(16, 2, marks=pytest.mark.proof),
    ],
)
@KINDS
def test_processes_that_start_on_different_hosts_at_once(place: Place, processes: int, versions: int) -> None:
    """Every fourth one is killed a moment after it began, the holder of the lease perhaps among them. One of the others
    makes the change, all of them end well, and there is one record."""
    for version in range(1, versions + 1):
        numbers = [number % len(place.cluster.hosts) for number in range(processes)]
        started = started_together(place, numbers, STARTING, str(version))
        time.sleep(0.3 * version)
        for process in started[::4]:
            process.kill()
        answers = [process.communicate(timeout=250)[0] for process in started]
        assert [process.returncode for number, process in enumerate(started) if number % 4] == [0] * (
            processes * 3 // 4
        )
        assert sum(answer == "1\n" for answer in answers) <= 1
        for host in place.cluster.hosts:
            history = schema_history(host.database_url(place.database), place.schema(version, []))
            assert [record.version for record in history] == list(range(1, version + 1))
    columns = f"SELECT count() FROM system.columns WHERE database = '{place.database}' AND table = 'events'"
    assert place.cluster.same(columns) == [[versions + 1]]
