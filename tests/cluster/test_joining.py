"""A host joins a Replicated database: what is in that one comes to it by its log, and what is beside it by a start,
through whatever host."""

from __future__ import annotations

import pytest

from aaiclick import Column, Schema, ensure_schema, plan_schema, validate_schema
from aaiclick.api.history import schema_history
from aaiclick.clickhouse.shared.bookkeeping import home_beside
from aaiclick.errors import ApplyError, UsageError
from tests.cluster.conftest import ClusterFactory
from tests.cluster.places import Place, events, label_of
from tests.cluster.rig.config import PASSWORD

V, W = Column("v", "UInt64"), Column("w", "UInt64")
BESIDE = "SELECT name, uuid FROM system.tables WHERE database = '{}' ORDER BY name"


@pytest.fixture
def place(aaiclick_cluster: ClusterFactory) -> Place:
    """Two hosts that have v1, and a third one that joined behind that."""
    cluster = aaiclick_cluster(1, 3)
    found = Place(cluster, cluster.replicated_database(first=2), None)
    found.start(version(found, 1))
    cluster.join_database(cluster.hosts[2], found.database)
    cluster.same(f"SELECT count() FROM system.tables WHERE database = '{found.database}'")
    return found


def version(place: Place, number: int) -> Schema:
    return place.schema(number, [events(V) if number == 1 else events(V, W)])


def books_are_everywhere(place: Place) -> None:
    assert len(place.cluster.same(BESIDE.format(home_beside(place.database)))) == 5


@pytest.mark.parametrize("through", [0, 2])
def test_a_start_makes_what_is_beside_it_there(place: Place, through: int) -> None:
    """One through another host, as soon as it has something to do; one through that host at once."""
    if through == 2:
        assert place.start(version(place, 1), 2).in_sync
        books_are_everywhere(place)
        url = place.cluster.hosts[2].database_url(place.database)
        assert [record.version for record in schema_history(url, version(place, 1))] == [1]
    place.start(version(place, 2), through)
    books_are_everywhere(place)
    place.is_settled(version(place, 2))


def test_status_names_that_host(place: Place) -> None:
    """And what it lacks is made by a run through that host, while the others have nothing to do."""
    urls, schema = [host.database_url(place.database) for host in place.cluster.hosts], version(place, 1)
    home, label = home_beside(place.database), label_of(place.cluster.hosts[2])
    found = validate_schema(urls[0], schema)
    assert (found.state, [bool(host.differs) for host in found.hosts]) == ("drift", [False, False, True])
    (said,) = found.differences
    assert said.startswith(f"host {label}: ")
    assert said.endswith(f" of {home}, which others have, are missing")
    assert found.hosts[2].peer is not None
    with pytest.raises(ApplyError, match=f"this host lacks tables of {home} that .* share: aaiclick migrate "):
        plan_schema(urls[2], schema)
    with pytest.raises(UsageError, match=f"this host lacks tables of {home} that .* Or ask through one of those hosts"):
        schema_history(urls[2], schema)
    assert ensure_schema(urls[2], schema).in_sync
    books_are_everywhere(place)
    assert validate_schema(urls[0], schema).in_sync


def test_a_user_who_may_not_make_it_is_told_the_statement(place: Place) -> None:
    """An administrator runs that, and then the same start goes on."""
    url = place.cluster.hosts[0].database_url(place.database, "scratch_only", PASSWORD)
    label, schema = label_of(place.cluster.hosts[2]), version(place, 2)
    with pytest.raises(UsageError) as refused:
        ensure_schema(url, schema)
    said, _, statement = str(refused.value).partition(" an administrator runs: ")
    assert f"this user may not create it (missing on {label}). Nothing was changed;" in said
    place.cluster.hosts[1].q(statement)
    assert ensure_schema(url, schema).steps
    books_are_everywhere(place)
    place.is_settled(schema)
