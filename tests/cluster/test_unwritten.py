"""A column with a default that is another value at every read, on a cluster: added by one statement, written by the
next."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Policy, Table
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.routine import Command, Effect
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import PLACES, Place, dead, place_on
from tests.reliability.driving import Driver, KilledError


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


@pytest.mark.parametrize("place", PLACES[:1], indirect=True)
def test_a_column_that_a_killed_run_added_is_written_by_the_next(place: Place) -> None:
    columns = [Column("id", "UInt64")]
    engine = MergeTree(order_by=["id"], replicated="")
    place.start(place.schema(1, [Table("events", columns, engine=engine)]))
    place.cluster.hosts[0].q(f"INSERT INTO {place.database}.events SELECT number FROM numbers(9)")
    place.cluster.sync(f"{place.database}.events")
    more = [*columns, Column("r", "UInt64", default="rand64()")]
    wanted = place.schema(2, [Table("events", more, engine=engine)])
    added: list[str] = []

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and "MATERIALIZE COLUMN" in effect.sql and "scratch" not in effect.sql:
            raise KilledError
        if isinstance(effect, Command) and "ADD COLUMN" in effect.sql:
            added.append(effect.sql)

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with pytest.raises(KilledError):
        Driver(opened, before=before).run(
            ensure(Run(wanted, place.database, Policy.lossless(), dead(), False, VERSION))
        )
    opened.close()
    assert any("scratch" not in sql for sql in added)
    values = f"SELECT id, r FROM {place.database}.events ORDER BY id"
    assert place.cluster.hosts[0].rows(values) != place.cluster.hosts[0].rows(values)  # it is not written
    assert place.start(wanted).in_sync
    place.cluster.sync(f"{place.database}.events")
    assert len(place.cluster.same(values)) == 9
    place.is_settled(wanted)
