"""Parts that an operator detaches of a replicated table while it is copied, taken over or rolled back are not lost,
through whatever host that was sent: the copy ends and says so, or the old table stays with them on all hosts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Timer
from typing import Any

import pytest

from aaiclick import Column, MergeTree, Schema, Table
from aaiclick.api.prune import prune_kept
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, SchemaVersionError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.meanwhile import LATE, MOMENTS, carried_out, is_as_it_was, start
from tests.cluster.places import PLACES, Place, dead, place_on

DETACH, ATTACH = "ALTER TABLE {} DETACH PARTITION 1", "ALTER TABLE {} ATTACH PARTITION 1"
ALLOWED = "leave-detached-parts events"
BY_HOST = r"\d+ parts were detached by somebody else .*\(such as 1_\S+ on host \S+\), and would go with the old table"
ENDED = rf"{BY_HOST}\. Nothing was exchanged\. .*'{ALLOWED}'"
ONE = pytest.mark.parametrize("place", PLACES[:1], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, number: int, *order_by: str, **settings: Any) -> Schema:
    made = MergeTree(order_by=list(order_by), partition_by="p", replicated="", settings=settings)
    return place.schema(number, [Table("events", [Column("id", "UInt64"), Column("p", "UInt32")], engine=made)])


WAYS: Mapping[str, Callable[[Place], Schema]] = {
    "copy": lambda place: schema(place, 2, "id", "p"),
    "attach": lambda place: schema(place, 2, "id", index_granularity=4096),
    "altered": lambda place: place.schema(
        2,
        [
            Table(
                "events",
                [Column("id", "UInt64"), Column("p", "UInt32"), Column("v", "String")],
                engine=MergeTree(
                    order_by=["id"], partition_by="p", replicated="", settings={"index_granularity": 4096}
                ),
            )
        ],
    ),
}


@dataclass
class Scene:
    """A table of 60 rows on every host, in three partitions, and an operator who detaches one of them on each shard,
    through its last host."""

    place: Place

    def __post_init__(self) -> None:
        self.place.start(schema(self.place, 1, "id"))
        for number, host in enumerate(self.place.cluster.hosts):
            host.q(f"INSERT INTO {self.name()} SELECT {60 * number} + number, number % 3 FROM numbers(60)")
        self.sync()

    def name(self, table: str = "events") -> str:
        return f"{self.place.database}.{table}"

    def sync(self, table: str = "events") -> None:
        self.place.cluster.sync(self.name(table))

    def say(self, sql: str, table: str = "events", **settings: Any) -> None:
        cluster = self.place.cluster
        settings.setdefault("alter_sync", 2)
        for host in cluster.hosts[cluster.replicas - 1 :: cluster.replicas]:
            host.q(sql.format(self.name(table)), **settings)

    def rows(self, table: str = "events") -> int:
        """Of all shards; the same on all hosts of each."""
        cluster, found = self.place.cluster, 0
        self.sync(table)
        for first in range(0, len(cluster.hosts), cluster.replicas):
            hosts = cluster.hosts[first : first + cluster.replicas]
            ((count,),) = cluster.same(f"SELECT count() FROM {self.name(table)}", hosts)
            found += count
        return found

    @property
    def whole(self) -> int:
        return 60 * len(self.place.cluster.hosts)

    def kept(self) -> str:
        """The one table that is kept, on all hosts; '' for none."""
        where = f"database = '{self.place.database}' AND name LIKE '\\_aaiclick\\_old\\_%'"
        listed = self.place.cluster.same(f"SELECT name FROM system.tables WHERE {where}")
        assert len(listed) < 2
        return listed[0][0] if listed else ""

    def back(self, moments: Mapping[str, Callable[[], object]], *allow: str) -> Report:
        asked = Rollback(WAYS["copy"](self.place), self.place.database, 1, frozenset(allow), False, dead(), False, 3600)
        return carried_out(self.place, rollback(asked), moments)


def kept_notes(report: Report) -> list[str]:
    return [note for note in report.notes if "The old table is kept as" in note]


SHOWN = [("copy", "fence")]
CASES = [
    pytest.param(way, moment, place.values[0], id=f"{way}-{moment}-{place.id}", marks=marks)
    for way in WAYS
    for moment in MOMENTS
    for place in PLACES
    for marks in [[] if (way, moment) in SHOWN and place is PLACES[0] else [pytest.mark.long]]
]


@pytest.mark.parametrize(("way", "moment", "place"), CASES, indirect=["place"])
def test_a_copy_ends_and_the_next_start_asks(place: Place, way: str, moment: str) -> None:
    scene, wanted = Scene(place), WAYS[way](place)
    with pytest.raises(ApplyError, match=f"{ENDED}"):
        start(place, wanted, {MOMENTS[moment]: lambda: scene.say(DETACH)})
    is_as_it_was(place)
    with pytest.raises(SchemaVersionError, match=f"--allow '{ALLOWED}'"):
        start(place, wanted, {})
    scene.say(ATTACH)
    assert scene.rows() == scene.whole
    assert start(place, wanted, {}).in_sync
    assert scene.rows() == scene.whole
    assert scene.kept() == ""


@pytest.mark.long
@ONE
def test_before_the_alters_of_one_that_is_taken_over_nothing_is_sent(place: Place) -> None:
    """What is detached behind the plan: such parts would lack what the ALTERs change."""
    scene, wanted = Scene(place), WAYS["altered"](place)
    with pytest.raises(ApplyError, match="since this was planned"):
        start(place, wanted, {r"INSERT INTO \S+_aaiclick_journal": lambda: scene.say(DETACH)})
    assert place.cluster.same(
        f"SELECT count() FROM system.columns WHERE table = 'events' AND name = 'v' AND database = '{place.database}'"
    ) == [[0]]


@pytest.mark.parametrize(
    ("moment", "keep", "place"),
    [
        pytest.param(moment, keep, place.values[0], id=f"{moment}-{keep}-{place.id}", marks=marks)
        for moment in LATE
        for keep in (0, 1)
        for place in PLACES
        for marks in [[] if (moment, keep) == ("first exchange", 0) and place is PLACES[0] else [pytest.mark.long]]
    ],
    indirect=["place"],
)
def test_in_the_moment_of_the_exchange_the_old_table_stays(place: Place, moment: str, keep: int) -> None:
    scene = Scene(place)
    report = start(place, WAYS["copy"](place), {LATE[moment]: lambda: scene.say(DETACH)}, keep)
    said = kept_notes(report)
    assert len(said) == 1
    assert "parts were detached from the old table in the moment of the exchange (such as 1_" in said[0]
    assert "on such a host ATTACH PARTITION of the old one brings them back" in said[0]
    # As the note says.
    scene.say(ATTACH, scene.kept())
    assert scene.rows(scene.kept()) == scene.whole


@pytest.mark.long
@ONE
def test_one_that_no_host_has_carried_out_yet_is_waited_for(place: Place) -> None:
    """It is acknowledged as soon as the log has it, and hosts that lag behind have detached nothing."""
    scene = Scene(place)
    hosts = place.cluster.hosts

    def detach() -> None:
        for host in hosts:
            host.q(f"SYSTEM STOP REPLICATION QUEUES {scene.name()}")
        hosts[-1].q(DETACH.format(scene.name()), alter_sync=0)
        Timer(2.0, lambda: [host.q("SYSTEM START REPLICATION QUEUES") for host in hosts]).start()

    report = start(place, WAYS["copy"](place), {LATE["first exchange"]: detach})
    assert any("detached from the old table in the moment of the exchange" in note for note in report.notes), (
        report.notes
    )
    scene.say(ATTACH, scene.kept())
    assert scene.rows(scene.kept()) == scene.whole


@pytest.mark.long
@pytest.mark.parametrize("moment", ["new table", "fence"])
@ONE
def test_a_rollback_ends(place: Place, moment: str) -> None:
    scene = Scene(place)
    assert start(place, WAYS["copy"](place), {}, 1).in_sync
    with pytest.raises(ApplyError, match=ENDED):
        scene.back({MOMENTS[moment]: lambda: scene.say(DETACH)})
    scene.say(ATTACH)
    assert scene.rows() == scene.whole
    assert scene.kept() != ""


@pytest.mark.long
@ONE
def test_a_rollback_keeps_what_was_detached_of_the_table_that_it_puts_back(place: Place) -> None:
    scene = Scene(place)
    assert start(place, WAYS["copy"](place), {}, 1).in_sync
    old = scene.kept()
    report = scene.back({"EXCHANGE TABLES": lambda: scene.say(DETACH, old)})
    (said,) = (note for note in report.notes if note.startswith(f"{old}: "))
    assert "parts were detached from the old table in the moment of the rollback (such as 1_" in said
    assert scene.rows() == scene.whole
    scene.say(ATTACH, old)
    assert scene.rows(old) == scene.whole


@ONE
def test_a_kept_table_goes_with_what_may_go_and_with_nothing_else(place: Place) -> None:
    """Neither by ``prune`` nor when its time is over; whoever names it has looked at it."""
    scene = Scene(place)
    scene.say(DETACH)
    left = scene.whole - 20 * len(place.cluster.hosts)
    assert kept_notes(start(place, WAYS["copy"](place), {}, 1, ALLOWED)) == []
    url, old = place.cluster.hosts[1].database_url(place.database), scene.kept()
    scene.say(DETACH.replace("1", "2"), old)
    ((row, dropped),) = prune_kept(url)
    assert (row.name, dropped, scene.kept()) == (old, False, old)
    scene.say(ATTACH.replace("1", "2"), old)
    assert scene.rows(old) == left
    ((row, _),) = prune_kept(url, dry_run=True)
    assert (row.kept.expires, "such as 2_" in row.kept.reason) == (0, True)
    ((_, dropped),) = prune_kept(url, tables=[old])
    assert (dropped, scene.kept()) == (True, "")
    assert scene.rows() == left


@pytest.mark.long
@ONE
def test_those_that_may_go_go_when_its_time_is_over(place: Place) -> None:
    scene, second = Scene(place), 1 / 86400
    scene.say(DETACH)
    assert kept_notes(start(place, WAYS["copy"](place), {}, second, ALLOWED)) == []
    old = scene.kept()
    scene.say(DETACH.replace("1", "2"), old)
    time.sleep(2)
    assert start(place, schema(place, 3, "p", "id"), {}, second).in_sync
    assert old in str(place.cluster.same(f"SHOW TABLES FROM {place.database}"))
    found = prune_kept(place.cluster.hosts[0].database_url(place.database), tables=[old])
    assert [row.name for row, dropped in found if dropped] == [old]
    time.sleep(2)
    assert start(place, schema(place, 4, "id"), {}, 0).in_sync
    assert scene.kept() == ""
