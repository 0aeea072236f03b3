"""The rig itself: what the other tests of clusters take for granted."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.engines import OTHER, PINNED
from tests.cluster.rig.errors import AwayError, RefusedError
from tests.cluster.rig.host import Host
from tests.cluster.rig.waiting import wait_until

REPLICATED = "(id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id"


def table_on(cluster: Cluster[Host], name: str, columns_and_engine: str = REPLICATED) -> None:
    cluster.hosts[0].q(f"CREATE TABLE {name} ON CLUSTER {cluster.name} {columns_and_engine}")


def uuids(cluster: Cluster[Host], name: str) -> list[str]:
    """The storage under a name, host by host."""
    return cluster.everywhere(f"SELECT uuid FROM system.tables WHERE concat(database, '.', name) = '{name}'")


def test_what_one_replica_takes_the_other_one_has(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    one.q(f"INSERT INTO {database}.t VALUES (1)")
    two.q(f"INSERT INTO {database}.t VALUES (2)")
    assert cluster.same(f"SELECT id FROM {database}.t ORDER BY id") == [[1], [2]]
    assert len(set(uuids(cluster, f"{database}.t"))) == 1


def test_each_host_knows_the_cluster_and_its_own_place(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(2, 2)
    own = f"SELECT shard_num, replica_num FROM system.clusters WHERE cluster = '{cluster.name}' AND is_local"
    macros = "SELECT getMacro('cluster'), getMacro('shard'), getMacro('replica')"
    for host in cluster.hosts:
        assert host.rows(own) == [[host.shard, host.replica]]
        assert host.rows(macros)[0][:2] == [cluster.name, str(host.shard)]
    assert len({host.q("SELECT serverUUID()") for host in cluster.hosts}) == 4
    everybody = (
        f"SELECT uniqExact(tcpPort(), hostName(), serverUUID()) FROM clusterAllReplicas('{cluster.name}', system.one)"
    )
    assert cluster.hosts[3].one(everybody) == 4


def test_on_cluster_tells_what_each_host_said(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    two.q(f"DROP TABLE {database}.t SYNC")
    with pytest.raises(RefusedError, match=r"doesn't exist|does not exist") as caught:
        one.q(f"RENAME TABLE {database}.t TO {database}.u ON CLUSTER {cluster.name}")
    assert caught.value.code == 60
    # The first host that fails ends the statement: the other one may still be at it.
    wait_until(lambda: cluster.everywhere(f"EXISTS {database}.u") == ["1", "0"], "the host that has it renames it")


def test_a_distributed_table_reads_and_writes_all_shards(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(2, 2)
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    table_on(cluster, f"{database}.d", f"AS {database}.t ENGINE = Distributed({cluster.name}, {database}, t, id)")
    cluster.host(2, 2).q(f"INSERT INTO {database}.d SELECT number FROM numbers(100)", distributed_foreground_insert=1)
    cluster.sync(f"{database}.t")
    assert cluster.same(f"SELECT count(), sum(id) FROM {database}.d") == [[100, 4950]]
    for shard in (1, 2):
        assert cluster.same(f"SELECT count() FROM {database}.t", [cluster.host(shard, 1), cluster.host(shard, 2)]) == [
            [50]
        ]


def test_a_replicated_database_carries_definitions_to_all_hosts(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(2, 2)
    database = cluster.replicated_database()
    client = cluster.host(2, 1).client(database)
    client.command("CREATE TABLE t (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    client.command("ALTER TABLE t ADD COLUMN v UInt8")
    client.command("INSERT INTO t (id) VALUES (1)")
    columns = f"SELECT name FROM system.columns WHERE database = '{database}' ORDER BY position"
    assert cluster.same(columns) == [["id"], ["v"]]
    count = f"SELECT count() FROM {database}.t"
    assert cluster.same(count, [cluster.host(2, 1), cluster.host(2, 2)]) == [[1]]
    assert cluster.same(count, [cluster.host(1, 1), cluster.host(1, 2)]) == [[0]]


def test_a_killed_host_catches_up(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    atomic, replicated = cluster.atomic_database(), cluster.replicated_database()
    table_on(cluster, f"{atomic}.t")
    two.kill()
    with pytest.raises(AwayError):
        two.q("SELECT 1")
    one.q(f"INSERT INTO {atomic}.t VALUES (1)")
    one.q(f"CREATE TABLE {replicated}.made {REPLICATED}", distributed_ddl_task_timeout=0)
    one.q(f"ALTER TABLE {atomic}.t ADD COLUMN v UInt8", alter_sync=0)
    two.start()
    assert cluster.same(f"SELECT id, v FROM {atomic}.t") == [[1, 0]]
    wait_until(lambda: two.q(f"EXISTS {replicated}.made") == "1", "the table that host 2 has missed")


@pytest.mark.long  # what a proof of the long run leans on
def test_a_host_that_stood_still_beyond_its_session_catches_up(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    two.pause()
    active = f"SELECT active_replicas FROM system.replicas WHERE database = '{database}'"
    wait_until(lambda: one.one(active) == 1, "the session of host 2 has ended")
    one.q(f"INSERT INTO {database}.t VALUES (1)")
    two.resume()
    assert cluster.same(f"SELECT id FROM {database}.t") == [[1]]
    wait_until(lambda: one.one(active) == 2, "host 2 has a session again")
    two.q(f"INSERT INTO {database}.t VALUES (2)")


@pytest.mark.long  # what a proof of the long run leans on
def test_without_zookeeper_nothing_is_taken_and_afterwards_all_goes_on(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    cluster.zookeeper.kill()
    with pytest.raises(RefusedError) as caught:
        one.q(f"INSERT INTO {database}.t VALUES (1)", insert_keeper_max_retries=0)
    assert caught.value.code in (242, 999)
    cluster.zookeeper.start()
    # By itself a replica looks every ten seconds whether ZooKeeper is there again.
    cluster.everywhere(f"SYSTEM RESTART REPLICA {database}.t")

    def taken() -> bool:
        try:
            two.q(f"INSERT INTO {database}.t VALUES (2)")
        except RefusedError:
            return False
        return True

    wait_until(taken, "host 2 takes rows again")
    assert cluster.same(f"SELECT id FROM {database}.t") == [[2]]


def test_exchange_is_of_one_host(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    one, two = cluster.hosts
    database = cluster.atomic_database()
    for name in ("t", "u"):
        table_on(cluster, f"{database}.{name}")
    before = uuids(cluster, f"{database}.t")
    one.q(f"EXCHANGE TABLES {database}.t AND {database}.u")
    assert [was == now for was, now in zip(before, uuids(cluster, f"{database}.t"), strict=True)] == [False, True]
    two.q(f"EXCHANGE TABLES {database}.t AND {database}.u")
    assert uuids(cluster, f"{database}.t") == uuids(cluster, f"{database}.t")[:1] * 2


def test_two_releases_replicate_to_each_other(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2, releases={2: OTHER})
    one, two = cluster.hosts
    assert [host.q("SELECT version()").rsplit(".", 2)[0] for host in (one, two)] == [
        release.rpartition(".")[0] for release in (PINNED, OTHER)
    ]
    database = cluster.atomic_database()
    table_on(cluster, f"{database}.t")
    one.q(f"INSERT INTO {database}.t VALUES (1)")
    two.q(f"INSERT INTO {database}.t VALUES (2)")
    two.q(f"ALTER TABLE {database}.t ADD COLUMN v UInt8")
    assert cluster.same(f"SELECT id, v FROM {database}.t ORDER BY id") == [[1, 0], [2, 0]]


def test_a_test_leaves_no_database_behind(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    if not cluster.can_be_broken:
        pytest.skip("on other servers only what was made here by its name is dropped")
    kept = cluster.everywhere("SELECT name FROM system.databases ORDER BY name")
    cluster.atomic_database()
    cluster.replicated_database()
    cluster.hosts[1].q("CREATE DATABASE by_the_test_itself")
    cluster.hosts[1].kill()
    cluster.clean()
    assert cluster.everywhere("SELECT name FROM system.databases ORDER BY name") == kept


def test_users_have_the_rights_that_are_named(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(1, 2)
    if not cluster.can_be_broken:
        pytest.skip("the users of the rig are not those of other servers")
    client = cluster.hosts[0].client(username="tables_only", password="secret")
    with pytest.raises(Exception, match="Not enough privileges"):
        client.command("CREATE DATABASE not_allowed")
