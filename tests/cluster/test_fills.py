"""Materialized views that are put in place on all hosts of a cluster, and filled."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from aaiclick import MaterializedView, MergeTree, Schema, plan_schema
from aaiclick.aggregates import Measure
from aaiclick.apply.backfill import on_replicas
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, ApplyError, BlockedError
from aaiclick.routine import Command, Effect, Query, Routine
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, table
from tests.cluster.filled import EVERY_ROW, followed, is_filled, nothing_left, summed
from tests.cluster.places import QUEUE_FIRST, Place, all_have_keeper, dead, killed_at, label_of, place_on
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.waiting import wait_until
from tests.cluster.writing import REFUSED, Writers, during
from tests.reliability.counts import every, note
from tests.reliability.driving import Driver, KilledError

KILLED = "views that are put in place and filled on clusters, killed at every point or every few"
DATABASE = pytest.param((2, 2, "database"), id="2x2-database", marks=pytest.mark.long)
ALL = [*QUEUE_FIRST, pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long), DATABASE]
SPREAD_FIRST = [
    pytest.param((2, 2, "queue"), id="2x2-queue"),
    pytest.param((1, 2, "queue"), id="1x2-queue", marks=pytest.mark.long),
]
HOSTS = [QUEUE_FIRST[0], pytest.param((2, 2, "queue"), id="2x2-queue", marks=pytest.mark.long)]
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
@pytest.mark.parametrize("place", SPREAD_FIRST, indirect=True)
def test_inserts_through_a_distributed_table_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is for a host that refuses writers waits in files of another one, and comes through the view. A row that is in
    the source is in the target, once."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    db, on = place.database, f"ON CLUSTER {place.cluster.name}" if place.named else ""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    place.cluster.hosts[0].q(
        f"CREATE TABLE {db}.spread {on} AS {db}.events ENGINE = Distributed({place.cluster.name if place.named else db}, "
        f"{db}, events, id)"
    )
    writers = Writers(place, {"events": {}, "spread": {}}, divided=frozenset({"spread"}))
    during(writers, lambda: place.start(followed(2, place), 1))
    assert writers.refused.keys() <= {REFUSED}
    for host in place.cluster.hosts:
        host.q(f"SYSTEM FLUSH DISTRIBUTED {db}.spread")
    is_filled(place)
    found = {number for host in place.cluster.hosts for (number,) in host.rows(f"SELECT id FROM {db}.events")}
    assert writers.acknowledged <= found


@pytest.mark.slow
@pytest.mark.parametrize("moment", [pytest.param("INSERT INTO `_aaiclick_staged_", marks=pytest.mark.long), "`copied`"])
@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("place", HOSTS, indirect=True)
def test_a_host_is_killed_while_it_is_filled(
    place: Place, killed: int, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host that computes what the view would have made, or another one of its shard. When it is back, the next start
    through the other one brings the fill to its end."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    place.start(followed(1, place, view=False))
    fill(place, 30)
    host, seen = place.cluster.hosts[killed], 0

    def before(effect: Effect) -> None:
        nonlocal seen
        seen += isinstance(effect, Command) and moment in effect.sql and "SELECT" in effect.sql
        if seen == 2:
            seen += 1
            host.kill()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with suppress(AaiclickError):
        Driver(opened, before=before).run(
            ensure(Run(followed(2, place), place.database, DROPPED, dead(), False, VERSION))
        )
    with suppress(AaiclickError):
        opened.close()
    assert seen > 2
    host.start()
    wait_until(lambda: all_have_keeper(place), what="all hosts to have Keeper", seconds=60)
    place.start(followed(2, place), 1 - killed, DROPPED)
    is_filled(place)
    place.is_settled(followed(2, place))


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


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_a_view_that_one_host_has_lost_is_made_there_and_not_filled_again(place: Place) -> None:
    """With its target, too. The plan says whose rows are not in it."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema, (one, two) = followed(2, place), place.cluster.hosts
    place.start(schema)
    for lost in (["feed"], ["feed", "copied"]):
        for name in lost:
            two.q(f"DROP TABLE {place.database}.{name} SYNC")
        step = plan_schema(two.database_url(place.database), schema).steps[-1]
        assert (step.id, step.strategy, step.blocked) == ("feed:create", "create", "")
        assert f"host {label_of(one)} has it: it is made here as there" in step.hazards[0].message
        place.start(schema, 1)
        place.is_settled(schema)
    two.q(f"INSERT INTO {place.database}.events (id, v, s) SELECT number + 1000, 1, 'x' FROM numbers(10)")
    is_filled(place)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_the_table_that_a_view_owns_is_replicated(place: Place) -> None:
    """Under the server's path, and under one that is written out, whose macros the server may put in."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    paths = ("", "'/clickhouse/tables/{database}/own2/{shard}','{replica}'")
    own = [
        MaterializedView(
            f"own{number}",
            query="SELECT v, s FROM events",
            engine=MergeTree(order_by=["v"], replicated=path),
            backfill=True,
        )
        for number, path in enumerate(paths, 1)
    ]
    schema = place.schema(2, [table(partition_by="id % 2"), *own])
    place.start(schema, 1)
    place.is_settled(schema)
    one, two = place.cluster.hosts
    two.q(f"INSERT INTO {place.database}.events (id, v, s) SELECT number + 1000, 1, 'x' FROM numbers(10)")
    rows = two.rows(EVERY_ROW.format(db=place.database, table="events"))
    for name in ("own1", "own2"):
        asked = partial(one.rows, EVERY_ROW.format(db=place.database, table=name))
        wait_until(partial(_yields, asked, rows), what=f"the rows of {name}")


def _yields(asked: Callable[[], object], rows: object) -> bool:
    return asked() == rows


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


def killed_before(place: Place, schema: Schema, words: str, number: int = 1) -> None:
    """A start through the first host, killed before the command with this number that has these words."""
    seen = 0

    def before(effect: Effect) -> None:
        nonlocal seen
        seen += isinstance(effect, Command) and words in effect.sql
        if seen == number:
            raise KilledError

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with pytest.raises(KilledError):
        Driver(opened, before=before).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_a_belated_insert_counts_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is paused before it inserts a part, and the INSERT comes when its successor has brought everything in. What
    was noted as inserted is not sent again."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    monkeypatch.setattr("aaiclick.apply.backfill.insert_once._NOTED_INSERTS", 1)
    place.start(followed(1, place, view=False))
    fill(place, 30)
    sent: list[Command] = []

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and "`copied`" in effect.sql and "SELECT" in effect.sql:
            sent.append(effect)
            if len(sent) == 2:
                raise KilledError

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with pytest.raises(KilledError):
        Driver(opened, before=before).run(
            ensure(Run(followed(2, place), place.database, DROPPED, dead(), False, VERSION))
        )
    opened.close()
    belated = sent[1]
    # While it was under way: the staging table is still there.
    place.cluster.hosts[0].q(belated.sql, timeout=60, database=place.database, **dict(belated.settings))
    place.start(followed(2, place), 1)
    is_filled(place)


@pytest.mark.slow
@pytest.mark.parametrize("late", [pytest.param("by number", marks=pytest.mark.long), "by time"])
@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_what_nobody_can_tell_is_said(place: Place, late: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers of the target keep the memory of INSERTs that it has: none is lost, and where it may have forgotten what a
    run inserted that was killed, the sentence says how the fill is given up. That makes and fills the view anew."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema, db, hosts = followed(2, place, window=100), place.database, place.cluster.hosts
    killed_before(place, schema, "INSERT INTO `" + db + "`.`copied`")
    kept = "replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 600"
    assert kept in place.cluster.same(f"SHOW CREATE TABLE {db}.copied")[0][0]
    if late == "by time":
        # All of the time is over for which anybody relies on what the target remembers.
        monkeypatch.setattr("aaiclick.apply.backfill.insert_once._SURE", -1.0)
    for each in range(91 if late == "by number" else 1):
        hosts[each % 2].q(f"INSERT INTO {db}.copied VALUES ({each}, 'direct')")
    with pytest.raises(ApplyError, match=r"which of its rows came in nobody can tell any more\. Make it anew:") as told:
        place.start(schema, 1)
    way = re.search(r"Make it anew: (DROP VIEW .*?); (TRUNCATE TABLE .*?); and run again", str(told.value))
    assert way is not None
    for statement in way.groups():
        hosts[1].q(statement)
    place.start(schema, 1)
    is_filled(place, window=100)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_a_target_that_forgets_at_once_is_not_filled(place: Place) -> None:
    """Nobody makes it remember: equal INSERTs that have to count would be lost. By its own settings, in the plan; by
    what somebody has changed since, before anything happens."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    db, said = place.database, r"copied remembers 0 INSERTs for 600 s .* Declare one for copied in a version of its own"
    with pytest.raises(BlockedError, match=said):
        place.start(followed(2, place, window=0))
    changed = False

    def before(effect: Effect) -> None:
        nonlocal changed
        # The last question before anything happens.
        if (
            not changed
            and isinstance(effect, Query)
            and "dependencies_table" in effect.sql
            and "_shard_num" in effect.sql
        ):
            changed = True
            spread = f"ON CLUSTER '{place.cluster.name}'"
            place.cluster.hosts[1].q(
                f"ALTER TABLE {db}.copied {spread} MODIFY SETTING replicated_deduplication_window = 0"
            )

    opened = open_url(place.cluster.hosts[0].database_url(db))
    with pytest.raises(ApplyError, match=said.replace("600", r"\d+") + r".* Nothing was changed"):
        Driver(opened, before=before).run(
            ensure(Run(followed(2, place, window=100), db, DROPPED, dead(), False, VERSION))
        )
    opened.close()
    assert place.cluster.same(f"EXISTS TABLE {db}.feed") == [[0]]


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_rows_that_got_new_numbers_are_said(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Parts that were detached and attached again while the fill is made look like those that came through the view."""
    monkeypatch.setattr("aaiclick.apply.rebuild.chunks.SMALL_ROWS", 20)
    place.start(followed(1, place, view=False))
    fill(place, 30)
    db, host = place.database, place.cluster.hosts[1]
    killed_before(place, followed(2, place), f"INSERT INTO `{db}`.`copied`", 2)
    host.q(f"ALTER TABLE {db}.events DETACH PARTITION 1", alter_sync=2)
    host.q(f"ALTER TABLE {db}.events ATTACH PARTITION 1", alter_sync=2)
    place.start(followed(2, place), 1)
    whole, left = host.q(f"SELECT (SELECT count() FROM {db}.events), (SELECT count() FROM {db}.copied)").split()
    assert int(left) < int(whole)
    said = f"events held {int(whole):,} rows when feed was put in place, and {int(left):,} of them were brought into"
    assert said in caplog.text
    nothing_left(place)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_no_host_takes_rows_until_all_have_the_view(place: Place) -> None:
    """A run is killed behind the CREATE; all hosts refuse writers, also while one of them is away. When it is back, the
    next start lets them in."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema, db = followed(2, place), place.database
    killed_before(place, schema, "DROP CONSTRAINT IF EXISTS _aaiclick_fence")
    for host in place.cluster.hosts:
        with pytest.raises(RefusedError) as refused:
            host.q(f"INSERT INTO {db}.events (id) VALUES (1)")
        assert refused.value.code == REFUSED
    place.cluster.hosts[1].kill()
    with pytest.raises(ApplyError, match=r"does not answer|is away|needs every replica"):
        place.start(schema, 0)
    place.cluster.hosts[1].start()
    wait_until(lambda: place.cluster.hosts[1].answers, "the host is back", 60)
    place.start(schema, 1)
    is_filled(place)
    for number, one in enumerate(place.cluster.hosts):
        one.q(f"INSERT INTO {db}.events (id, v, s) VALUES ({9000 + number}, 1, 'late')")
    is_filled(place)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_a_view_that_was_altered_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ALTER was sent, and ends with an error: nobody knows on which hosts it has come through, so writers stay
    refused on all of them until the next start has seen to that."""
    place.start(summed(1, place))
    fill(place, 30)
    name, wider = f"{place.database}.events", summed(2, place, seen="uniqExact(id)")
    with monkeypatch.context() as patch:
        patch.setattr(on_replicas, "_send", failing(on_replicas._send))
        with pytest.raises(ApplyError, match="no host knows"):
            place.start(wider, 0)
    for host in place.cluster.hosts:
        with pytest.raises(RefusedError) as refused:
            host.q(f"INSERT INTO {name} (id) VALUES (1)")
        assert refused.value.code == REFUSED
    place.start(wider, 1)
    place.cluster.sync(f"{place.database}.sums")
    rows = place.cluster.same(f"SELECT s, count(), uniqExact(id) FROM {name} GROUP BY s ORDER BY s")
    assert place.cluster.same(f"SELECT s, rows, seen FROM {place.database}.read ORDER BY s") == rows
    nothing_left(place)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUEUE_FIRST[:1], indirect=True)
def test_a_view_that_cannot_be_made_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its CREATE ends with an error when hosts have it already: it is dropped on all of them, and writers are let in."""
    place.start(followed(1, place, view=False))
    fill(place, 30)
    schema, db = followed(2, place), place.database
    with monkeypatch.context() as patch:
        patch.setattr(on_replicas, "_send", failing(on_replicas._send))
        with pytest.raises(ApplyError, match="no host knows"):
            place.start(schema, 0)
    assert place.cluster.same(f"EXISTS TABLE {db}.feed") == [[0]]
    nothing_left(place)
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {db}.events (id, v, s) VALUES ({9000 + number}, 1, 'between')")
    place.start(schema, 1)
    is_filled(place)


def failing(send: Callable[[str, str, Reach], Routine[None]]) -> Callable[[str, str, Reach], Routine[None]]:
    def sent(database: str, sql: str, reach: Reach) -> Routine[None]:
        yield from send(database, sql, reach)
        raise ApplyError("no host knows")

    return sent
