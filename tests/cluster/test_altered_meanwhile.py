"""What an operator alters of a replicated table while it is copied is not lost, through whatever host it was sent: the
copy ends and says so, or the old table is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from threading import Timer
from typing import Any

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.error_codes import CANNOT_ASSIGN_ALTER
from aaiclick.errors import ApplyError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import DROPPED
from tests.cluster.meanwhile import LATE, MOMENTS, is_as_it_was, start
from tests.cluster.places import PLACES, Place, place_on
from tests.cluster.rig.errors import RefusedError

ALTERS = {
    "column": "ADD COLUMN extra String DEFAULT 'e'",
    "setting": "MODIFY SETTING min_bytes_for_wide_part = 77",
    "dropped": "DROP COLUMN w",
    "renamed": "RENAME COLUMN w TO extra",
    "type": "MODIFY COLUMN w LowCardinality(String)",
    "default": "MODIFY COLUMN v String DEFAULT 'extra'",
    "index": "ADD INDEX extra v TYPE minmax",
    "constraint": "ADD CONSTRAINT extra CHECK id < 1000000",
    "TTL": "MODIFY TTL d + INTERVAL 30 DAY",
    "comment": "MODIFY COMMENT 'extra'",
}
OF_ONE_HOST = ("setting", "comment")
"""What an ALTER changes on the host alone that it is sent to, but for a Replicated database."""
REWRITING = ("dropped", "renamed", "type")
"""What is a mutation as well, and is told as such where it comes before the exchange."""


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, number: int, engine: MergeTree) -> Schema:
    columns = [Column("id", "UInt64"), Column("v", "String"), Column("w", "String"), Column("d", "DateTime")]
    return place.schema(number, [Table("events", columns, engine=engine)])


def first(place: Place) -> Schema:
    return schema(place, 1, MergeTree(order_by=["id"], replicated=""))


def copied(place: Place) -> Schema:
    return schema(place, 2, MergeTree(order_by=["id", "v"], replicated=""))


def taken_over(place: Place) -> Schema:
    return schema(place, 2, MergeTree(order_by=["id"], replicated="", settings={"index_granularity": 4096}))


@dataclass
class Operator:
    """Alters the table through the last host of each shard, and writes a row there that fills a new column."""

    place: Place
    kind: str
    done: bool = False

    def __call__(self) -> None:
        # Otherwise MODIFY TTL would wait for a mutation, and that for the copy.
        settings: dict[str, Any] = {"materialize_ttl_after_modify": 0, "mutations_sync": 0, "alter_sync": 1}
        cluster, sql = self.place.cluster, f"ALTER TABLE {self.place.database}.events {ALTERS[self.kind]}"
        last = cluster.hosts[cluster.replicas - 1 :: cluster.replicas]
        for host in last[-1:] if self.kind in OF_ONE_HOST else last:
            while True:
                try:
                    host.q(sql, **settings)
                    break
                except RefusedError as error:
                    # It has not come to an ALTER of the run yet.
                    if error.code != CANNOT_ASSIGN_ALTER:
                        raise
        self.done = True

    def writes(self) -> None:
        if self.kind == "column":
            name = f"{self.place.database}.events"
            self.place.cluster.hosts[-1].q(f"INSERT INTO {name} (id, extra) VALUES (777, 'acknowledged')")

    def shown(self, like: str) -> bool:
        """Whether what was altered shows on the host that took it, in the one table of such a name."""
        (definition,), *more = self.place.cluster.hosts[-1].rows(
            f"SELECT create_table_query FROM system.tables WHERE database = '{self.place.database}' AND name LIKE "
            f"'{like}'"
        )
        assert not more
        signs = {"setting": "min_bytes_for_wide_part = 77", "type": "`w` LowCardinality(String)", "TTL": "TTL d + "}
        return ("`w`" not in definition) if self.kind == "dropped" else (signs.get(self.kind, "extra") in definition)


def made(place: Place) -> None:
    place.start(first(place))
    for number, host in enumerate(place.cluster.hosts):
        rows = f"SELECT {1000 * number} + number, 'a', 'b', now() FROM numbers(50)"
        host.q(f"INSERT INTO {place.database}.events {rows}")
    place.cluster.sync(f"{place.database}.events")


def ended(place: Place, wanted: Schema, kind: str, moment: str) -> None:
    made(place)
    operator = Operator(place, kind)

    def alter() -> None:
        operator()
        operator.writes()

    with pytest.raises(ApplyError) as raised:
        start(place, wanted, {MOMENTS[moment]: alter})
    said = str(raised.value)
    if kind not in REWRITING:
        assert re.search(r"altered by somebody else.*Run again: the next start plans anew", said), said
    assert operator.shown("events")
    is_as_it_was(place)
    report = place.start(wanted, 0, DROPPED)
    assert report.in_sync
    local = kind in OF_ONE_HOST and place.named is not None
    if kind not in REWRITING:
        # On one host alone: the new table has what the host of the start has, and says what it lacks.
        assert operator.shown("events") or (local and any(ALTERS[kind] in note for note in report.notes))
    if kind == "column":
        host = place.cluster.hosts[-1]
        assert host.one(f"SELECT extra FROM {place.database}.events WHERE id = 777") == "acknowledged"


def kept(place: Place, kind: str, moment: str, keep: int) -> None:
    made(place)
    operator = Operator(place, kind)
    report = start(place, copied(place), {LATE[moment]: operator}, keep)
    assert report.in_sync
    assert operator.done
    said = [note for note in report.notes if "The old table is kept as" in note]
    assert len(said) == 1
    if kind not in REWRITING:
        assert "altered on the old table in the moment of the exchange" in said[0]
    assert operator.shown("\\_aaiclick\\_old\\_%")
    place.cluster.same(f"SELECT count() FROM {place.database}.events", place.cluster.hosts[:2])


SOME = [("column", "fence", 0)]
"""Kind and moment, and the place."""
ALL = [(kind, moment, number) for kind in ALTERS for moment in MOMENTS for number in range(len(PLACES))]


def cases(some: list[tuple[str, str, int]], every: list[tuple[str, str, int]]) -> list[object]:
    shapes = [each.values[0] for each in PLACES]
    return [
        pytest.param(
            kind,
            moment,
            shapes[number],
            id=f"{kind}-{moment}-{PLACES[number].id}",
            marks=[] if (kind, moment, number) in some else [pytest.mark.long],
        )
        for kind, moment, number in every
    ]


@pytest.mark.parametrize(("kind", "moment", "place"), cases(SOME, ALL), indirect=["place"])
def test_an_alter_during_a_copy_ends_it(place: Place, kind: str, moment: str) -> None:
    ended(place, copied(place), kind, moment)


@pytest.mark.parametrize(("kind", "moment", "place"), cases([], ALL), indirect=["place"])
def test_an_alter_while_parts_are_taken_over_ends_it(place: Place, kind: str, moment: str) -> None:
    ended(place, taken_over(place), kind, moment)


LATER = [(kind, moment, number) for kind in ALTERS for moment in LATE for number in range(len(PLACES))]


@pytest.mark.parametrize(
    ("kind", "moment", "place"), cases([("index", "first exchange", 0)], LATER), indirect=["place"]
)
def test_an_alter_in_the_moment_of_the_exchange_keeps_the_old_table(place: Place, kind: str, moment: str) -> None:
    kept(place, kind, moment, keep=1 if moment == "note" else 0)


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES[:2], indirect=True)
def test_an_alter_that_no_host_has_carried_out_yet_is_waited_for(place: Place) -> None:
    """It is acknowledged as soon as the log has it, and hosts that lag behind do not show it."""
    made(place)
    name, hosts = f"{place.database}.events", place.cluster.hosts

    def alter() -> None:
        for host in hosts:
            host.q(f"SYSTEM STOP REPLICATION QUEUES {name}")
        hosts[-1].q(f"ALTER TABLE {name} {ALTERS['index']}", alter_sync=0)
        # Of all tables: this one has another name by then.
        Timer(4.0, lambda: [host.q("SYSTEM START REPLICATION QUEUES") for host in hosts]).start()

    report = start(place, copied(place), {LATE["first exchange"]: alter})
    assert any("indexes were altered on the old table in the moment of the exchange" in note for note in report.notes)
    assert Operator(place, "index").shown("\\_aaiclick\\_old\\_%")


@pytest.mark.long
@pytest.mark.parametrize("place", [PLACES[2]], indirect=True)
def test_what_one_shard_alone_has_is_not_left_out(place: Place) -> None:
    """An ALTER that reached one shard: a copy would have the columns of the host that is connected to."""
    made(place)
    name, operator = f"{place.database}.events", Operator(place, "column")
    place.cluster.hosts[-1].q(f"ALTER TABLE {name} {ALTERS['column']}", alter_sync=2)
    operator.writes()
    with pytest.raises(ApplyError, match=r"another definition \(columns\).*a copy would lose what is there alone"):
        start(place, copied(place), {})
    is_as_it_was(place)
    place.cluster.hosts[0].q(f"ALTER TABLE {name} {ALTERS['column']}", alter_sync=2)
    assert start(place, copied(place), {}).in_sync
    row = f"SELECT extra FROM {name} WHERE id = 777"
    assert place.cluster.hosts[-1].one(row) == "acknowledged"
