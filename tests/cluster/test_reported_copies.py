"""What others have reported of copies on clusters, by hand or by other tools, as it goes here. Each is told in
``reported.py``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aaiclick import Schema, validate_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, is_whole, paired, rekeyed, table, turned
from tests.cluster.places import PLACES, Place, dead, label_of, place_on
from tests.reliability.driving import Driver, KilledError

pytestmark = pytest.mark.long


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


PAIR = pytest.mark.parametrize("place", PLACES[:1], indirect=True)
DATABASE = pytest.mark.parametrize("place", PLACES[1:2], indirect=True)
SHARDS = pytest.mark.parametrize("place", PLACES[2:], indirect=True)


def started(place: Place, schema: Schema, before: Callable[[Command], object]) -> None:
    """A start through the first host; ``before`` is called with each command that is about to be sent."""

    def seen(effect: Effect) -> None:
        if isinstance(effect, Command):
            before(effect)

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        Driver(opened, before=seen).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    finally:
        opened.close()


@PAIR
def test_parts_are_attached_by_the_host_that_has_them_and_are_on_all_before_the_exchange(place: Place) -> None:
    place.start(turned(1, place))
    fill(place, 20)
    sent, held = list[Command](), list[list[int]]()

    def before(command: Command) -> None:
        if "ATTACH PARTITION" in command.sql and "_aaiclick_new_" in command.sql:
            sent.append(command)
        if "EXCHANGE TABLES" in command.sql and not held:
            rows = (
                f"SELECT sum(total_rows) FROM system.tables WHERE database = '{place.database}' AND name LIKE "
                "'_aaiclick_new_%'"
            )
            held.extend([host.one(rows)] for host in place.cluster.hosts)

    started(place, turned(2, place), before)
    assert sent
    assert all(each.at is None and "ON CLUSTER" not in each.sql for each in sent)
    assert held == [[120], [120]]
    is_whole(place, 120)


@PAIR
def test_equal_rows_in_equal_parts_are_all_there(place: Place) -> None:
    """Parts with the same row each, some of them merged by then."""
    place.start(place.schema(1, [table()]))
    name, one = f"{place.database}.events", place.cluster.hosts[0]
    for _ in range(12):
        one.q(f"INSERT INTO {name} (id, v, s) VALUES (7, 7, 'x')", deduplicate_insert="disable", insert_deduplicate=0)
    for version, made in ((2, table(("v", "id"))), (3, table(("v", "id"), index_granularity=1024))):
        place.start(place.schema(version, [made]), version % 2, DROPPED)
        place.cluster.sync(name)
        assert place.cluster.same(f"SELECT count(), uniqExact(id) FROM {name}") == [[12, 1]]


@PAIR
def test_an_exchange_that_a_host_carries_out_twice_is_found_there(place: Place) -> None:
    """It has the old table again, which refuses writers: the run says so, and the next one goes on."""
    place.start(turned(1, place))
    fill(place, 20)
    exchanges = list[str]()

    def before(command: Command) -> None:
        if "EXCHANGE TABLES" in command.sql:
            exchanges.append(command.sql)
            if len(exchanges) == 2:
                place.cluster.hosts[0].q(exchanges[0])

    with pytest.raises(ApplyError, match=r"has the old table under its name again, which refuses writers\. Run again"):
        started(place, turned(2, place), before)
    place.start(turned(2, place), 1, DROPPED)
    place.is_settled(turned(2, place))
    is_whole(place, 120)


@PAIR
def test_a_path_of_a_run_that_was_killed_is_never_used_again(place: Place) -> None:
    """The next run comes at once, while Keeper may still have what the first one made."""
    path = f"'/clickhouse/tables/{place.database}/{{shard}}/events', '{{replica}}'"

    def pathed(version: int, *order_by: str) -> Schema:
        made = table(order_by)
        engine = made.engine.model_copy(update={"replicated": path})
        return place.schema(version, [made.model_copy(update={"engine": engine})])

    place.start(pathed(1, "id"))
    fill(place, 20)
    paths = f"SELECT DISTINCT zookeeper_path FROM system.replicas WHERE database = '{place.database}'"
    used: set[str] = set()
    for moment in ("ATTACH PARTITION", "EXCHANGE TABLES"):

        def before(command: Command, moment: str = moment) -> None:
            if moment in command.sql and "_aaiclick_new_" in command.sql:
                raise KilledError

        with pytest.raises(KilledError):
            started(place, pathed(2, "v", "id"), before)
        now = {str(row[0]) for row in place.cluster.hosts[0].rows(paths) if "_aai_" in str(row[0])}
        assert now
        assert not now & used
        used |= now
    place.start(pathed(2, "v", "id"), 1, DROPPED)
    is_whole(place, 120)
    place.is_settled(pathed(2, "v", "id"))


@DATABASE
def test_tables_that_a_host_has_set_aside_are_looked_at_first(place: Place) -> None:
    place.start(turned(1, place))
    two, aside = place.cluster.hosts[1], f"{place.database}_broken_tables"
    two.q(f"CREATE DATABASE {aside}")
    with pytest.raises(ApplyError, match=f"has set tables aside in database {aside} when it came back"):
        place.start(turned(2, place), 0, DROPPED)
    hosts = validate_schema(place.cluster.hosts[0].database_url(place.database), turned(1, place)).hosts
    assert [aside in host.trouble for host in hosts] == [False, True]
    two.q(f"DROP DATABASE {aside} SYNC")
    place.start(turned(2, place), 0, DROPPED)


@SHARDS
def test_a_cluster_and_a_keeper_that_disagree_about_shards(place: Place) -> None:
    """The cluster has two shards; by its path the table has one, of four replicas."""
    path = f"'/clickhouse/tables/{place.database}/events', '{{shard}}{{replica}}'"

    def pathed(version: int) -> Schema:
        made = table(("id",) if version % 2 else ("v", "id"))
        engine = made.engine.model_copy(update={"replicated": path})
        return place.schema(version, [made.model_copy(update={"engine": engine})])

    place.start(pathed(1))
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events (id) VALUES (1)")
    with pytest.raises(ApplyError, match=r"shards 1, 2 have one table in common .*Keeper says otherwise. Nothing was"):
        place.start(pathed(2), 0, DROPPED)


@SHARDS
def test_a_pair_is_rebuilt_shard_by_shard_below_its_distributed_table(place: Place) -> None:
    place.start(paired(place, 1, table()))
    fill(place, 20)
    uuid = f"SELECT uuid FROM system.tables WHERE database = '{place.database}' AND name = 'events_all'"
    before = place.cluster.same(uuid)
    per_shard = f"SELECT count(), sum(id) FROM {place.database}.events"
    shares = [host.rows(per_shard) for host in place.cluster.hosts[::2]]
    report = place.start(paired(place, 2, table(("v", "id"))), 3, DROPPED)
    assert [step.id for step in report.steps] == ["events:rebuild"]
    is_whole(place, 240)
    assert [host.rows(per_shard) for host in place.cluster.hosts[::2]] == shares
    assert place.cluster.same(uuid) == before


@PAIR
def test_rows_that_only_a_dead_host_has_are_waited_for(place: Place) -> None:
    """Nobody can allow that away."""
    place.start(rekeyed(1, place))
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    label = label_of(place.cluster.hosts[1])
    one.q(f"SYSTEM STOP FETCHES {name}")
    two.q(f"INSERT INTO {name} (id, v, s) VALUES (1, 1, 'x')")
    two.kill()
    for policy in (DROPPED, DROPPED.allow(f"without-host {label}")):
        with pytest.raises(AaiclickError, match=f"cannot be migrated now: events: host {label} does not answer"):
            place.start(rekeyed(2, place), 0, policy)
    two.start()
    one.q(f"SYSTEM START FETCHES {name}")
    place.start(rekeyed(2, place), 0, DROPPED)
    is_whole(place, 1)
