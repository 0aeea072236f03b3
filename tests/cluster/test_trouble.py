"""Hosts that cannot carry out what is sent to all: named before anything is sent, or waited for."""

from __future__ import annotations

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from aaiclick.errors import HazardNotAllowedError
from tests.cluster.conftest import ClusterFactory

COLUMNS = "SELECT name FROM system.columns WHERE database = '{}' AND table = 'events' ORDER BY position"


def events(version: int, *columns: Column) -> Schema:
    table = Table("events", [Column("id", "UInt64"), *columns], engine=MergeTree(order_by=["id"], replicated=""))
    return Schema("shop", version=version, objects=[table], cluster="{cluster}")


def test_a_host_that_is_away_is_named_and_follows_when_it_is_back(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    database = cluster.atomic_database()
    one, two = cluster.hosts
    url = one.database_url(database)
    ensure_schema(url, events(1), Policy.lossless())
    two.kill()
    label = one.q("SELECT concat(host_name, ':', toString(port)) FROM system.clusters WHERE NOT is_local LIMIT 1")
    second = events(2, Column("v", "UInt64"))
    with pytest.raises(HazardNotAllowedError, match=f"host {label} does not answer; nothing was changed") as raised:
        ensure_schema(url, second, Policy.lossless())
    assert raised.value.allow == (f"without-host {label}",)
    assert one.q(COLUMNS.format(database)) == "id"
    assert ensure_schema(url, second, Policy.lossless().allow(f"without-host {label}")).steps
    assert one.q(COLUMNS.format(database)) == "id\nv"
    two.start()
    assert cluster.same(COLUMNS.format(database)) == [["id"], ["v"]]
