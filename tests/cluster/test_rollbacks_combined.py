"""A rollback of a replicated table whose merges make one row of several, when they put what came since together with
what was there behind its plan, on whatever host: it ends, and the next one asks for it by name."""

from __future__ import annotations

import pytest

from aaiclick import Column, Schema, SummingMergeTree, Table, rollback_schema
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.rollback import Rollback, rollback
from aaiclick.errors import ApplyError, HazardNotAllowedError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.copies import SETTINGS_LEFT
from tests.cluster.meanwhile import MOMENTS, carried_out
from tests.cluster.places import PLACES, Place, dead, place_on

WHEN = {"mark": r"INSERT INTO \S+_aaiclick_notes", **MOMENTS}
ROWS = "SELECT id, sum(n) FROM {}.events FINAL GROUP BY id ORDER BY id"
KEY = "deletes events"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, version: int) -> Schema:
    engine = SummingMergeTree(
        order_by=["id", "k"] if version == 1 else ["k", "id"], columns=["n"], replicated="", partition_by="id % 2"
    )
    return place.schema(
        version, [Table("events", [Column(name, "UInt64") for name in ("id", "k", "n")], engine=engine)]
    )


def back(place: Place, when: str) -> Report:
    """Through the first host; the last one merges everything just before that."""
    last = place.cluster.hosts[-1]
    asked = Rollback(schema(place, 2), place.database, 1, frozenset(), False, dead(), False, 3600)
    sql = f"OPTIMIZE TABLE {place.database}.events FINAL"
    moments = {WHEN[when]: lambda: last.q(sql, alter_sync=2, optimize_throw_if_noop=1)}
    return carried_out(place, rollback(asked), moments)


CASES = [
    pytest.param(when, place.values[0], id=f"{when}-{place.id}", marks=marks)
    for when in WHEN
    for place in PLACES
    for marks in [[] if when == "fence" and place is PLACES[0] else [pytest.mark.long]]
]


@pytest.mark.parametrize(("when", "place"), CASES, indirect=["place"])
def test_it_is_looked_at_again_until_no_row_can_come_in(place: Place, when: str) -> None:
    name, last = f"{place.database}.events", place.cluster.hosts[-1]
    shard = place.cluster.hosts[-place.cluster.replicas :]
    place.start(schema(place, 1))
    last.q(f"INSERT INTO {name} VALUES (1, 1, 1), (2, 2, 1)")
    place.cluster.sync(name)
    place.start(schema(place, 2))
    last.q(f"INSERT INTO {name} VALUES (1, 1, 5), (3, 3, 1)")
    place.cluster.sync(name)
    with pytest.raises(ApplyError, match=rf"since this was planned merges have put rows .*Run again.*'{KEY}'"):
        back(place, when)
    assert place.cluster.same(ROWS.format(place.database), shard) == [[1, 6], [2, 1], [3, 1]]
    left_alone(place)
    url = place.cluster.hosts[0].database_url(place.database)
    with pytest.raises(HazardNotAllowedError, match=KEY):
        rollback_schema(url, schema(place, 2), to=1)
    assert rollback_schema(url, schema(place, 2), to=1, allow=[KEY]).to_version == 1


def left_alone(place: Place) -> None:
    """Nothing is left but the table that is kept, and writers are let in on all hosts."""
    assert place.cluster.same(SETTINGS_LEFT.format(db=place.database)) == [[0]]
    listed = place.cluster.same(f"SELECT name FROM system.tables WHERE database = '{place.database}'")
    assert [name for (name,) in listed if name.startswith(("_aaiclick_new_", "_aaiclick_taken_"))] == []
    assert len([name for (name,) in listed if name.startswith("_aaiclick_old_")]) == 1


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_what_stands_in_parts_of_its_own_comes_along_unasked(place: Place) -> None:
    name, (one, two) = f"{place.database}.events", place.cluster.hosts
    place.start(schema(place, 1))
    one.q(f"INSERT INTO {name} VALUES (1, 1, 1), (2, 2, 1)")
    place.cluster.sync(name)
    place.start(schema(place, 2))
    two.q(f"INSERT INTO {name} VALUES (1, 1, 5), (3, 3, 1)")
    place.cluster.sync(name)
    assert rollback_schema(one.database_url(place.database), schema(place, 2), to=1).to_version == 1
    place.cluster.sync(name)
    assert place.cluster.same(ROWS.format(place.database)) == [[1, 6], [2, 1], [3, 1]]
