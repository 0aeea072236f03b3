"""What a swap of two replicated tables under writers rests on: fence, rows that travel with parts, EXCHANGE."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.host import Host
from tests.cluster.rig.waiting import wait_until

pytestmark = pytest.mark.proof  # what the engine does; what leans on it is tested in every run

VIOLATED_CONSTRAINT = 469
FENCE = "ADD CONSTRAINT _fence CHECK 0"


@pytest.fixture
def cluster(aaiclick_cluster: ClusterFactory) -> Cluster[Host]:
    return aaiclick_cluster(1, 2)


def fenced(host: Host, table: str) -> bool:
    asked = f"SELECT count() FROM system.constraints WHERE concat(database, '.', table) = '{table}' AND name = '_fence'"
    return bool(host.one(asked))


def refuses(host: Host, table: str) -> bool:
    """Whether a row is refused for the fence; it is inserted otherwise."""
    try:
        host.q(f"INSERT INTO {table} VALUES (1)", deduplicate_insert="disable")
    except RefusedError as error:
        if error.code != VIOLATED_CONSTRAINT:
            raise
        return True
    return False


def test_a_fence_holds_on_a_host_from_the_moment_that_it_is_seen_there(cluster: Cluster[Host]) -> None:
    one, two = cluster.hosts
    table = f"{cluster.atomic_database()}.t"
    one.q(f"CREATE TABLE {table} ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    two.q(f"SYSTEM STOP REPLICATION QUEUES {table}")
    one.q(f"ALTER TABLE {table} {FENCE}", alter_sync=0)
    wait_until(lambda: fenced(one, table))
    assert refuses(one, table)
    # The reply of the first says nothing about the second: it takes rows, and its own list of constraints says so.
    assert not fenced(two, table)
    assert not refuses(two, table)
    two.q(f"SYSTEM START REPLICATION QUEUES {table}")
    wait_until(lambda: fenced(two, table))
    assert refuses(two, table)
    one.q(f"ALTER TABLE {table} DROP CONSTRAINT _fence", alter_sync=2)
    assert [refuses(one, table), refuses(two, table)] == [False, False]


@pytest.mark.parametrize(("window", "kept"), [("SETTINGS replicated_deduplication_window = 0", True), ("", False)])
def test_equal_parts_are_attached_only_without_a_deduplication_window(
    cluster: Cluster[Host], window: str, kept: bool
) -> None:
    one, _ = cluster.hosts
    database = cluster.atomic_database()
    one.q(
        f"CREATE TABLE {database}.shadow ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id {window}"
    )
    # Twice, as a copy in pieces does: a staging table of plain parts on this host alone, all of them equal.
    for _attempt in range(2):
        one.q(f"CREATE TABLE {database}.staging (id UInt64) ENGINE = MergeTree ORDER BY id")
        one.q(f"SYSTEM STOP MERGES {database}.staging")
        for _part in range(3):
            one.q(f"INSERT INTO {database}.staging VALUES (7)")
        one.q(f"ALTER TABLE {database}.shadow ATTACH PARTITION ID 'all' FROM {database}.staging")
        one.q(f"DROP TABLE {database}.staging SYNC")
    cluster.sync(f"{database}.shadow")
    rows = cluster.same(f"SELECT count() FROM {database}.shadow")[0][0]
    assert (rows == 6) is kept, rows


def test_the_reply_to_an_attach_does_not_wait_for_the_other_host(cluster: Cluster[Host]) -> None:
    one, two = cluster.hosts
    database = cluster.atomic_database()
    one.q(f"CREATE TABLE {database}.t ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    one.q(f"CREATE TABLE {database}.staging (id UInt64) ENGINE = MergeTree ORDER BY id")
    one.q(f"INSERT INTO {database}.staging VALUES (1)")
    two.q(f"SYSTEM STOP FETCHES {database}.t")
    one.q(f"ALTER TABLE {database}.t ATTACH PARTITION ID 'all' FROM {database}.staging")
    assert cluster.everywhere(f"SELECT count() FROM {database}.t") == ["1", "0"]
    two.q(f"SYSTEM START FETCHES {database}.t")
    assert cluster.same(f"SELECT count() FROM {database}.t") == [[1]]


def test_exchange_in_a_replicated_database_follows_on_the_other_host(cluster: Cluster[Host]) -> None:
    one, two = cluster.hosts
    database = cluster.replicated_database()
    for name in ("t", "u"):
        one.q(f"CREATE TABLE {database}.{name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    asked = f"SELECT uuid FROM system.tables WHERE database = '{database}' AND name = 't'"
    before = cluster.same(asked)
    one.q(f"EXCHANGE TABLES {database}.t AND {database}.u")
    wait_until(lambda: two.rows(asked) != before, "host 2 has the other table under the name")
    assert cluster.same(asked) != before


def test_a_materialized_view_sees_only_what_its_own_host_takes(cluster: Cluster[Host]) -> None:
    one, two = cluster.hosts
    database = cluster.atomic_database()
    for name in ("source", "target"):
        one.q(
            f"CREATE TABLE {database}.{name} ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id"
        )
    one.q(f"CREATE MATERIALIZED VIEW {database}.view TO {database}.target AS SELECT id FROM {database}.source")
    one.q(f"INSERT INTO {database}.source VALUES (1)")
    two.q(f"INSERT INTO {database}.source VALUES (2)")
    assert cluster.same(f"SELECT id FROM {database}.source ORDER BY id") == [[1], [2]]
    cluster.sync(f"{database}.target")
    assert cluster.same(f"SELECT id FROM {database}.target ORDER BY id") == [[1]]
