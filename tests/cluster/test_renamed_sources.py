"""A table that sets off a materialized view gets another name on a cluster: asked for by name, because what is inserted
in between passes the view by. On one host writers are refused meanwhile."""

from __future__ import annotations

import pytest

from aaiclick import Column, MaterializedView, MergeTree, Policy, Schema, Table
from aaiclick.errors import SchemaVersionError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import QUEUE_FIRST, Place, place_on

SEEN = "SELECT id FROM {}.seen ORDER BY id"


@pytest.fixture
def place(request: pytest.FixtureRequest, aaiclick_cluster: ClusterFactory) -> Place:
    return place_on(aaiclick_cluster, request.param)


def schema(place: Place, version: int) -> Schema:
    name, former = ("events", None) if version == 1 else ("log", "events")
    engine = MergeTree(order_by=["id"], replicated="")
    return place.schema(
        version,
        [
            Table(name, [Column("id", "UInt64")], engine=engine, renamed_from=former),
            Table("seen", [Column("id", "UInt64")], engine=engine),
            MaterializedView("fill", query=f"SELECT id FROM {name}", to="seen"),
        ],
    )


def inserted(place: Place, name: str, first: int) -> None:
    """A row through each host, which the view passes on there."""
    for number, host in enumerate(place.cluster.hosts):
        host.q(f"INSERT INTO {place.database}.{name} VALUES ({first + number})")
    place.cluster.sync(f"{place.database}.seen")


@pytest.mark.parametrize("place", QUEUE_FIRST, indirect=True)
def test_rows_pass_by_no_view_before_and_behind_it(place: Place) -> None:
    place.start(schema(place, 1))
    inserted(place, "events", 10)
    with pytest.raises(
        SchemaVersionError, match="what is inserted into log until the view names it is not seen by fill"
    ) as raised:
        place.start(schema(place, 2), 1)
    assert "--allow 'replace-view fill'" in str(raised.value)
    # Refused as a whole: the table has its name, and its view is set off by it on every host.
    inserted(place, "events", 20)
    place.start(schema(place, 2), 1, Policy.lossless().allow("replace-view fill"))
    inserted(place, "log", 30)
    expected = [[first + number] for first in (10, 20, 30) for number in range(2)]
    assert place.cluster.same(SEEN.format(place.database)) == expected
    assert place.cluster.same(f"SELECT id FROM {place.database}.log ORDER BY id") == expected
    assert place.start(schema(place, 2)).steps == ()
