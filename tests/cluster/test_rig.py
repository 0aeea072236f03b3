"""The rig itself: what the other tests of clusters take for granted."""

from __future__ import annotations

from tests.cluster.conftest import ClusterFactory


def test_one_shard_with_two_replicas(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    one.q(f"CREATE TABLE {database}.t ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    one.q(f"INSERT INTO {database}.t VALUES (1)")
    two.q(f"INSERT INTO {database}.t VALUES (2)")
    assert cluster.same(f"SELECT id FROM {database}.t ORDER BY id") == [[1], [2]]


def test_two_shards_with_two_replicas(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(2, 2)
    database = cluster.replicated_database()
    client = cluster.host(2, 1).client(database)
    client.command("CREATE TABLE t (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    client.command("INSERT INTO t VALUES (1)")
    table = f"SELECT count() FROM {database}.t"
    assert cluster.same(table, [cluster.host(2, 1), cluster.host(2, 2)]) == [[1]]
    assert cluster.same(table, [cluster.host(1, 1), cluster.host(1, 2)]) == [[0]]
