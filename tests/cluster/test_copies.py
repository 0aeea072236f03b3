"""Copies of replicated tables: every row once on every replica, whatever is killed, and writers of every host lose
none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from aaiclick import Schema, View
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED, fill, home, is_whole, regrained, table, turned
from tests.cluster.places import DATABASE_FIRST, ONCE_PER_KIND, QUEUE_FIRST, Place, killed_at, place_on
from tests.cluster.writing import REFUSED, Writers, during


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


KINDS = pytest.mark.parametrize("place", ONCE_PER_KIND, indirect=True)
QUEUE_FIRST_KINDS = pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
LAST = table(("v", "id"), "Int64", "id % 3", index_granularity=1024)
CHANGES = {
    "at once": ((table(("v", "id"), "Int64", "id % 3"), "rebuild"), (LAST, "attach")),
    "one by one": (
        (table(("v", "id")), "rebuild"),
        (table(("v", "id"), "Int64"), "rebuild"),
        (table(("v", "id"), "Int64", "id % 3"), "rebuild"),
        (LAST, "attach"),
    ),
}
"""Another sort key, type of a key, partition key; and a setting for which the parts are taken over."""


@pytest.mark.slow
@pytest.mark.parametrize("changes", [pytest.param("at once"), pytest.param("one by one", marks=pytest.mark.long)])
@pytest.mark.parametrize("place", DATABASE_FIRST, indirect=True)
def test_a_table_is_replaced_on_all_hosts(place: Place, changes: str) -> None:
    """The old tables are kept, and dropped on all hosts by a start when their time is over."""
    place.start(place.schema(1, [table()]))
    fill(place)
    version, schema = 1, place.schema(1, [])
    for changed, strategy in CHANGES[changes]:
        version += 1
        schema = place.schema(version, [changed])
        report = place.start(schema, version % 2)
        assert [step.strategy for step in report.steps] == [strategy]
        is_whole(place, 1800, kept=version - 1)
    place.is_settled(schema)
    one = place.cluster.hosts[0]
    one.q(
        f"INSERT INTO {home(place)}._aaiclick_notes SELECT (SELECT max(seq) FROM {home(place)}._aaiclick_notes) + 1, name, "
        "replaceRegexpOne(argMax(body, seq), '\"expires\":[0-9]+', '\"expires\":1'), now() FROM "
        f"{home(place)}._aaiclick_notes WHERE name LIKE '_aaiclick_old_%' GROUP BY name"
    )
    place.start(place.schema(9, [LAST, View("seen", query="SELECT id FROM events")]), 1)
    is_whole(place, 1800)
    made = place.cluster.same(
        f"SELECT engine_full FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
    )
    assert "enable_block_number_column" not in made[0][0]


@pytest.mark.parametrize(
    ("versions", "step"),
    [
        pytest.param(turned, 37, marks=pytest.mark.long),
        pytest.param(turned, 1, marks=pytest.mark.proof),
        pytest.param(regrained, 1, marks=pytest.mark.proof),
    ],
)
@QUEUE_FIRST_KINDS
def test_what_was_killed_is_put_right_from_the_other_host(
    place: Place, versions: Callable[[int, Place], Schema], step: int
) -> None:
    """A copy, and parts that are taken over: before the first command, and after every one."""
    place.start(versions(1, place))
    fill(place, 20)
    version, killed = 1, 0
    for commands in range(0, 400, step):
        version += 1
        schema = versions(version, place)
        if not killed_at(place, schema, version % 2, commands, DROPPED):
            break
        killed += 1
        place.start(schema, (version + 1) % 2, DROPPED)
        is_whole(place, 120)
    assert killed > 45 / step
    place.is_settled(versions(version, place))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [1, pytest.param(2, marks=pytest.mark.long)])
@QUEUE_FIRST_KINDS
def test_writers_of_every_host_lose_no_row(place: Place, changes: int) -> None:
    """Through a copy, and parts that are taken over, each with a view behind the table; by INSERTs that wait, asynchronous
    ones, a Distributed table and a Buffer."""
    db, on = place.database, f"ON CLUSTER {place.cluster.name}" if place.named else ""
    place.start(place.schema(1, [table()]))
    one = place.cluster.hosts[0]
    one.q(f"CREATE TABLE {db}.seen {on} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    one.q(f"CREATE MATERIALIZED VIEW {db}.passing {on} TO {db}.seen AS SELECT id FROM {db}.events")
    one.q(f"CREATE TABLE {db}.spread {on} AS {db}.events ENGINE = Distributed({place.cluster.name}, {db}, events, id)")
    ways: dict[str, dict[str, int]] = {"events": {}, "spread": {}}
    if place.named:
        one.q(
            f"CREATE TABLE {db}.buffered {on} AS {db}.events ENGINE = Buffer({db}, events, 1, 1, 2, 10, 50, 1, 1000000)"
        )
        ways["buffered"] = {}
    fill(place)
    pause = 0.5 if changes == 1 else 0.2  # processor time
    writers = Writers(place, ways, pause=pause)
    waiting = Writers(place, {"events": {"async_insert": 1, "wait_for_async_insert": 1}}, first=50, pause=pause)

    def change() -> None:
        place.start(place.schema(2, [table(("v", "id"))]), 0)
        if changes > 1:
            place.start(place.schema(3, [table(("v", "id"), index_granularity=1024)]), 1)

    with waiting:
        during(writers, change)
    assert writers.refused.keys() <= {REFUSED}
    for each in (writers, waiting):
        each.are_there_once("events", 30)
        each.are_there_once("seen", 30)
    rows = len(writers.acknowledged | waiting.acknowledged)
    is_whole(place, 1800 + rows, kept=changes)


@KINDS
def test_settings_that_stop_merges_go_back_to_what_they_were(place: Place) -> None:
    """Of the table that was copied where the copy was killed, and of the new one: some are declared, the others the
    server's."""
    held: dict[str, Any] = {"max_bytes_to_merge_at_max_space_in_pool": 1000000, "parts_to_delay_insert": 900}
    place.start(place.schema(1, [table(**held)]))
    fill(place, 20)
    before = shown_engine(place)
    assert killed_at(place, place.schema(2, [table(("v", "id"), **held)]), 0, 45, DROPPED)
    place.start(place.schema(3, [table(**held)]), 1, DROPPED)
    assert shown_engine(place) == before
    place.start(place.schema(4, [table(("v", "id"), **held)]), 0, DROPPED)
    turned_to = [each.replace("ORDER BY id", "ORDER BY (v") for each in before]
    assert shown_engine(place) == sorted([*turned_to, "id)"])


def shown_engine(place: Place) -> list[str]:
    """Engine, keys and settings, as all hosts show them. A setting that was taken away and given again stands behind the
    others."""
    engine = f"SELECT engine_full FROM system.tables WHERE database = '{place.database}' AND name = 'events'"
    return sorted(re.split(r", | SETTINGS ", place.cluster.same(engine)[0][0]))
