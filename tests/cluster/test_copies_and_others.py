"""Copies of replicated tables while others change the table: what they did is in the new one, or said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest

from aaiclick import ensure_schema, rollback_schema, validate_schema
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.report import Report
from aaiclick.commands.start.run import Run
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.events import Event, WritersRefused
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect
from aaiclick.specs.schema import Schema
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, home, is_whole, table, turned
from tests.cluster.places import ONCE_PER_KIND, Place, dead, killed_at_exchange, place_on
from tests.reliability.driving import Driver, KilledError


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


FENCED = (
    "SELECT throwIf(create_table_query LIKE '%_aaiclick_fence%') FROM system.tables WHERE database = '{}' AND name = "
    "'events'"
)
QUEUE = pytest.mark.parametrize("place", ONCE_PER_KIND[:1], indirect=True)


def started(place: Place, schema: Schema, moments: Mapping[str, Callable[[], object]]) -> Report:
    """A start, and what is done just before it sends certain statements for the first time."""
    pending = dict(moments)

    def before(effect: Effect) -> None:
        for moment in list(pending):
            if isinstance(effect, Command) and moment in effect.sql:
                pending.pop(moment)()

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    try:
        run = Run(schema, place.database, DROPPED, this_process(), False, VERSION)
        return Driver(opened, before=before).run(ensure(run))
    finally:
        opened.close()
        assert not pending


@QUEUE
def test_rows_that_are_deleted_or_merged_meanwhile_are_copied_again(place: Place) -> None:
    """And a delete in the moment of the exchange is said: the new table still has its rows, and the old one is kept."""
    place.start(turned(1, place))
    fill(place, 20)
    two, name = place.cluster.hosts[1], f"{place.database}.events"

    def delete() -> None:
        two.q(f"ALTER TABLE {name} DELETE WHERE id < 10", mutations_sync=2)
        two.q(f"OPTIMIZE TABLE {name} FINAL")

    def delete_late() -> None:
        two.q(f"ALTER TABLE {name} DELETE WHERE id < 20", mutations_sync=2)

    moments = {"ADD CONSTRAINT _aaiclick_fence": delete, "EXCHANGE TABLES": delete_late}
    report = started(place, turned(2, place), moments)
    said = [note for note in report.notes if "rows of the old table were changed in the moment of the exchange" in note]
    assert len(said) == 1
    assert len(report.notes) == 2
    is_whole(place, 110, kept=1)


@QUEUE
def test_what_cannot_be_kept_out_is_refused_before_anything_is_sent(place: Place) -> None:
    """Also what another host alone has: a view that fills the table, other settings; and, on the way back, parts that were
    detached since it was replaced."""
    db, (one, two) = place.database, place.cluster.hosts
    place.start(place.schema(1, [table()]))
    changed = place.schema(2, [table(("v", "id"))])
    two.q(f"CREATE TABLE {db}.raw (id UInt64) ENGINE = Null")
    two.q(f"CREATE MATERIALIZED VIEW {db}.feed TO {db}.events AS SELECT id FROM {db}.raw")
    with pytest.raises(ApplyError, match=r"the materialized view .*feed.* writes into it"):
        place.start(changed)
    two.q(f"DROP VIEW {db}.feed SYNC")
    two.q(f"ALTER TABLE {db}.events MODIFY SETTING parts_to_throw_insert = 5000")
    with pytest.raises(ApplyError, match=r"has other settings \(parts_to_throw_insert\)"):
        place.start(changed)
    two.q(f"ALTER TABLE {db}.events RESET SETTING parts_to_throw_insert")
    client = one.client(db)
    with pytest.raises(ApplyError, match="this connection leads to one host only: give the address of a host as a URL"):
        ensure_schema(client, changed, DROPPED)
    assert place.start(changed).steps
    one.q(f"INSERT INTO {db}.events (id) VALUES (1)")
    place.cluster.sync(f"{db}.events")
    one.q(f"ALTER TABLE {db}.events DETACH PARTITION tuple()", alter_sync=2)
    one.q(f"ALTER TABLE {db}.events DROP DETACHED PARTITION ALL", allow_drop_detached=1)
    with pytest.raises(AaiclickError, match=r"1 detached parts of events on host .*'leave-detached-parts events'"):
        rollback_schema(one.database_url(db), changed)


@pytest.mark.proof
@QUEUE
def test_a_path_that_is_written_out_gets_an_end_of_its_own(place: Place) -> None:
    """Once, however often the table is copied; and it counts as the one that is declared."""
    path = f"'/clickhouse/tables/{place.database}/{{shard}}/events', '{{replica}}'"

    def pathed(version: int, *order_by: str) -> Schema:
        made = table(order_by)
        return place.schema(
            version, [made.model_copy(update={"engine": made.engine.model_copy(update={"replicated": path})})]
        )

    place.start(pathed(1, "id"))
    fill(place, 20)
    for version, key in ((2, ("v", "id")), (3, ("s", "id"))):
        place.start(pathed(version, *key), version % 2, DROPPED)
        is_whole(place, 120)
    place.is_settled(pathed(3, "s", "id"))
    made = place.cluster.hosts[0].one(
        f"SELECT engine_full FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
    )
    assert re.match(rf"ReplicatedMergeTree\('/clickhouse/tables/{place.database}/\S+/events_aai_[0-9a-f]+', ", made)


@QUEUE
def test_ctrl_c_lets_writers_in_on_all_hosts(place: Place) -> None:
    """Before the exchange, in the moment in which they are refused; the next start goes on from there."""
    place.start(turned(1, place))
    fill(place, 20)

    def interrupt(event: Event) -> None:
        if isinstance(event, WritersRefused):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.start(turned(2, place), 0, DROPPED, on_event=interrupt)
    place.cluster.same(FENCED.format(place.database))
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.events (id) VALUES ({1000 + number})")
    status = validate_schema(place.cluster.hosts[1].database_url(place.database), turned(2, place))
    assert status.unfinished.startswith("a migration to v2 (")
    assert status.fenced == ()
    place.start(turned(2, place), 1, DROPPED)
    is_whole(place, 122)


@pytest.mark.parametrize("exchanging", [False, True], ids=["copy", "exchange"])
@QUEUE
def test_a_mark_that_came_with_a_backup_is_known_by_its_tables(
    place: Place, exchanging: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """RESTORE makes new storages: the mark names none that is there. Writers are let in, and the next copy goes on."""
    place.start(turned(1, place))
    fill(place, 20)
    if exchanging:
        killed_at_exchange(place, turned(2, place), 1, DROPPED)
    else:
        killed_behind_the_fence(place, turned(2, place))
    notes = f"{home(place)}._aaiclick_notes"
    one = place.cluster.hosts[0]
    one.q(
        f"INSERT INTO {notes} SELECT (SELECT max(seq) FROM {notes}) + 1, name, replaceRegexpAll(argMax(body, seq), "
        "'-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-', '-0000-4000-8000-'), now() FROM "
        f"{notes} WHERE startsWith(name, '_aaiclick_mark_') GROUP BY name HAVING argMax(body, seq) != ''"
    )
    report = place.start(turned(2, place), 1, DROPPED)
    assert "It came with a backup" in caplog.text
    assert [step.strategy for step in report.steps] == ["rebuild"]
    left = one.q(
        f"SELECT count() FROM system.tables WHERE database = '{place.database}' AND name LIKE '_aaiclick_new_%'"
    )
    assert int(left) == exchanging
    for host in place.cluster.hosts:
        host.q(FENCED.format(place.database))
        assert host.one(f"SELECT uniqExact(id) FROM {place.database}.events") == 120


def killed_behind_the_fence(place: Place, schema: Schema) -> None:
    """A start whose process is killed before the first statement that follows the fence of its copy."""
    fenced = False

    def before(effect: Effect) -> None:
        nonlocal fenced
        if isinstance(effect, Command) and fenced:
            raise KilledError
        fenced = fenced or (isinstance(effect, Command) and "ADD CONSTRAINT _aaiclick_fence" in effect.sql)

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with pytest.raises(KilledError):
        Driver(opened, before=before).run(ensure(Run(schema, place.database, DROPPED, dead(), False, VERSION)))
    opened.close()
