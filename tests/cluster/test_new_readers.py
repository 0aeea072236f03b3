"""A view, or a Buffer table, that an operator makes on one host alone between the plan and a statement that takes a column
or a name away: that is not sent."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.errors import ApplyError
from aaiclick.lease.owner import this_process
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import PLACES, Place, place_on
from tests.reliability.driving import Driver

BUFFER = "ENGINE = Buffer({db}, events, 1, 600, 600, 1000000, 1000000, 100000000, 100000000)"
MADE = {
    "materialized view": "CREATE MATERIALIZED VIEW {db}.made ENGINE = Null AS SELECT id, price FROM {db}.events",
    "Buffer table": f"CREATE TABLE {{db}}.made AS {{db}}.events {BUFFER}",
}
ENGINE = MergeTree(order_by=["id"], replicated="")


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, version: int, *columns: Column, name: str = "events") -> Schema:
    former = None if name == "events" else "events"
    return place.schema(version, [Table(name, [Column("id", "UInt64"), *columns], engine=ENGINE, renamed_from=former)])


PRICE = Column("price", "UInt32")


@pytest.mark.parametrize("change", ["dropped", pytest.param("renamed", marks=pytest.mark.long)])
@pytest.mark.parametrize("made", ["Buffer table", pytest.param("materialized view", marks=pytest.mark.long)])
@pytest.mark.parametrize("place", [PLACES[0], pytest.param((2, 2, "queue"), marks=pytest.mark.long)], indirect=True)
def test_what_one_host_alone_has_is_looked_for(place: Place, made: str, change: str) -> None:
    """One that was there before the plan is none of its business, as it was before."""
    db, last = place.database, place.cluster.hosts[-1]
    place.start(schema(place, 1, PRICE))
    last.q(f"CREATE VIEW {db}.before AS SELECT id FROM {db}.events")
    wanted = schema(place, 2) if change == "dropped" else schema(place, 2, PRICE, name="log")
    done: list[str] = []

    def operate(effect: Effect) -> None:
        # The step is entered in the journal: the plan has been made.
        entered = isinstance(effect, Command) and "INSERT INTO" in effect.sql and "_aaiclick_journal" in effect.sql
        if entered and not done:
            done.append(made)
            last.q(MADE[made].replace("{db}", db))

    opened = open_url(place.cluster.hosts[0].database_url(db))
    policy = Policy.lossless().allow("drop-column events.price")
    run = Run(wanted, db, policy, this_process(), False, VERSION)
    with pytest.raises(ApplyError, match=rf"events: {made} made on host \S+ reads or feeds it, and was not there when"):
        Driver(opened, before=operate).run(ensure(run))
    opened.close()
    assert place.cluster.same(f"SELECT count(price) FROM {db}.events") == [[0]]
    last.q(f"DROP TABLE {db}.made SYNC")
    assert place.start(wanted, 0, policy).in_sync
