"""Copies of replicated tables on several shards: fenced together, exchanged together, and every row once in its shard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from aaiclick import Column, MergeTree, Schema, Table, rollback_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, BlockedError
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, KILLED, fill, is_whole, paired, regrained, rekeyed, table
from tests.cluster.places import PLACES, Place, dead, killed_at, killed_at_exchange, place_on
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.waiting import wait_until
from tests.cluster.writing import REFUSED, Writers, during
from tests.reliability.counts import note
from tests.reliability.driving import Driver, KilledError


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


ID, V, S, NOTE = Column("id", "UInt64"), Column("v", "UInt32"), Column("s", "String"), Column("note", "String")


def shaped(*columns: Column, order_by: Sequence[str] = ("v", "id"), **settings: int) -> Table:
    engine = MergeTree(order_by=list(order_by), replicated="", settings=settings)
    return Table("events", list(columns), engine=engine)


SHARDS = pytest.mark.parametrize("place", PLACES[2:], indirect=True)
DATABASE = pytest.param((2, 2, "database"), id="2x2-database")
KINDS = pytest.mark.parametrize("place", [*PLACES[2:], DATABASE], indirect=True)


@pytest.mark.long
@pytest.mark.parametrize("place", [DATABASE], indirect=True)
def test_a_replicated_database_with_shards(place: Place) -> None:
    """Its log takes the constraint, and the exchange, to all shards at once; the parts go to the host that has them."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    place.start(rekeyed(2, place), 3)
    is_whole(place, 240, kept=1)
    finer = place.schema(3, [table(("v", "id"), index_granularity=1024)])
    assert [step.strategy for step in place.start(finer, 1, DROPPED).steps] == ["attach"]
    is_whole(place, 240, kept=1)
    place.is_settled(finer)
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.events (id) VALUES ({1000 + number})")
    place.cluster.sync(f"{place.database}.events")
    rekeyed_again = place.schema(4, [table(("s", "id"), index_granularity=1024)])
    place.start(rekeyed_again, 2)
    place.cluster.hosts[3].q(f"INSERT INTO {place.database}.events (id) VALUES (2000)")
    rollback_schema(place.cluster.hosts[0].database_url(place.database), rekeyed_again)
    is_whole(place, 245, kept=None)
    place.is_settled(finer)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("versions", [rekeyed, regrained])
@KINDS
def test_what_was_killed_is_put_right_from_another_shard(
    place: Place, versions: Callable[[int, Place], Schema]
) -> None:
    """Before the first command, and after every one."""
    place.start(versions(1, place))
    fill(place, 20)
    version, killed = 1, 0
    for commands in range(400):
        version += 1
        schema = versions(version, place)
        if not killed_at(place, schema, version % 4, commands, DROPPED):
            break
        killed += 1
        place.start(schema, (version + 2) % 4, DROPPED)
        is_whole(place, 240)
    assert killed > 50
    note(KILLED, kills=killed)
    place.is_settled(versions(version, place))


@pytest.mark.proof
@KINDS
def test_writers_of_every_host_lose_no_row(place: Place) -> None:
    """Through a copy and parts that are taken over, by the tables of the shards and by the Distributed one, in the
    background and at once; with a column that both get."""
    place.start(paired(place, 1, table()))
    fill(place, 50)
    writers = Writers(place, {"events": {}, "events_all": {}}, divided=frozenset({"events_all"}))
    wider, finer = shaped(ID, V, S, NOTE), shaped(ID, V, S, NOTE, index_granularity=1024)

    def change() -> None:
        report = place.start(paired(place, 2, wider), 0, DROPPED)
        assert [step.id for step in report.steps] == ["events:rebuild", "events_all:alter"]
        place.start(paired(place, 3, finer), 3, DROPPED)

    during(writers, change)
    assert writers.refused.keys() <= {REFUSED}
    writers.are_there_once("events_all", 60)
    is_whole(place, 600 + writers.rows("events_all"))
    place.is_settled(paired(place, 3, finer))


@SHARDS
def test_a_column_that_goes_leaves_no_insert_behind(place: Place) -> None:
    """The Distributed table loses it first, then what waits on any host is sent, then the tables of the shards lose
    it. Another sharding key is refused."""
    place.start(paired(place, 1, shaped(ID, V, S, NOTE)))
    with pytest.raises(BlockedError, match="its sharding key would change from id to v, and rows never leave their"):
        place.start(paired(place, 2, shaped(ID, V, S, NOTE), by="v"))
    cluster, name = place.cluster, f"{place.database}.events_all"
    cluster.everywhere(f"SYSTEM STOP DISTRIBUTED SENDS {name}")
    for number, host in enumerate(cluster.hosts):
        host.q(f"INSERT INTO {name} (id, v, s, note) SELECT {100 * number} + number, 1, 'x', 'n' FROM numbers(100)")
    renamed = Column("t", "String", renamed_from="s")
    new = paired(place, 2, shaped(ID, V, renamed, NOTE, order_by=("id", "v")))
    report = place.start(new, 1, DROPPED)
    assert [step.id for step in report.steps] == ["events_all:alter", "events:rebuild"]
    assert cluster.hosts[0].rows(f"SELECT count(), uniqExact(id) FROM {name}") == [[400, 400]]


@pytest.mark.slow
@SHARDS
def test_between_two_shards_all_hosts_refuse_writers_and_none_goes_back(place: Place) -> None:
    """One shard has the new table, the other one the old; the next start, through a host of the other one, lets it
    follow."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    sent = killed_at_exchange(place, rekeyed(2, place), 3, DROPPED)
    keys = f"SELECT sorting_key FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
    assert [host.one(keys) for host in place.cluster.hosts] == ["v, id", "v, id", "id", "id"]
    for host in place.cluster.hosts:
        with pytest.raises(RefusedError) as refused:
            host.q(f"INSERT INTO {place.database}.events (id) VALUES (1)")
        assert refused.value.code == 469
    place.start(rekeyed(2, place), 3, DROPPED)
    with pytest.raises(RefusedError) as refused:
        place.cluster.hosts[3].q(sent[0])
    assert refused.value.code == 60
    is_whole(place, 240)


MOMENTS = {
    "copy": "INSERT INTO `_aaiclick_staged_",
    "attach": "ATTACH PARTITION",
    "close": "ADD CONSTRAINT _aaiclick_fence",
    "exchange": "EXCHANGE TABLES",
    "open": "DROP CONSTRAINT _aaiclick_guard",
}
"""Of a copy, by the statement that is about to be sent; each the second time, when one shard is further than the other
one."""


@pytest.mark.proof
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("number", "how"), [(1, "kill"), (2, "kill"), (3, "pause")])
@SHARDS
def test_a_host_is_gone_in_the_middle(place: Place, number: int, how: str, moment: str) -> None:
    """The other replica of the first shard, the host that copies in the second one, or its other replica, which stands
    still for longer than its session with Keeper lasts. The next start, through the first host, names it; when it is
    back a start through another shard puts everything right."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    host, seen = place.cluster.hosts[number], 0

    def before(effect: Effect) -> None:
        nonlocal seen
        seen += isinstance(effect, Command) and MOMENTS[moment] in effect.sql
        if seen == 2:
            seen += 1
            (host.kill if how == "kill" else host.pause)()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with suppress(AaiclickError):
        Driver(opened, before=before).run(
            ensure(Run(rekeyed(2, place), place.database, DROPPED, dead(), False, VERSION))
        )
    opened.close()
    assert seen > 2
    with pytest.raises(AaiclickError, match=r"does not answer|is away"):
        place.start(rekeyed(2, place), 0, DROPPED)
    (host.start if how == "kill" else host.resume)()
    wait_until(lambda: host.answers, "the host is back", 60)
    place.start(rekeyed(2, place), 3 - number if number != 2 else 3, DROPPED)
    place.is_settled(rekeyed(2, place))
    is_whole(place, 240)


@pytest.mark.proof
@SHARDS
def test_a_run_that_was_paused_lets_no_writer_in(place: Place) -> None:
    """Its ALTERs that take the constraint off come when its successor has begun to exchange: every host refuses them."""
    place.start(rekeyed(1, place))
    fill(place, 20)
    name, belated, exchanged = f"{place.database}.events", list[str](), list[str]()

    def pausing(effect: Effect) -> None:
        if not isinstance(effect, Command):
            return
        if MOMENTS["close"] in effect.sql and not belated:
            # Rows are deleted behind the constraint, so writers are let in again, and the rows copied anew.
            place.cluster.hosts[3].q(f"ALTER TABLE {name} DELETE WHERE id % 7 = 1", mutations_sync=2)
        if "DROP CONSTRAINT IF EXISTS _aaiclick_fence" in effect.sql:
            belated.append(effect.sql)
            if len(belated) == 2:
                raise KilledError

    def exchanging(effect: Effect) -> None:
        if isinstance(effect, Command) and MOMENTS["exchange"] in effect.sql:
            exchanged.append(effect.sql)
            if len(exchanged) == 2:
                raise KilledError

    for before in (pausing, exchanging):
        opened = open_url(place.cluster.hosts[0].database_url(place.database))
        run = Run(rekeyed(2, place), place.database, DROPPED, dead(), False, VERSION)
        with pytest.raises(KilledError):
            Driver(opened, before=before).run(ensure(run))
        opened.close()
    for host in place.cluster.hosts:
        for sql, code in (*((sql, 36) for sql in belated), (f"INSERT INTO {name} (id) VALUES (1)", 469)):
            with pytest.raises(RefusedError) as refused:
                host.q(sql)
            assert refused.value.code == code
    rows = sum(host.one(f"SELECT count() FROM {name}") for host in place.cluster.hosts[:: place.cluster.replicas])
    place.start(rekeyed(2, place), 3, DROPPED)
    is_whole(place, rows)
