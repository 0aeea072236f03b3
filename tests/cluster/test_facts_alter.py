"""What an ALTER of a replicated table changes where: the engine's own rules, on which the support of clusters rests."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.errors import RefusedError
from tests.cluster.rig.host import Host
from tests.cluster.rig.waiting import wait_until

pytestmark = pytest.mark.proof  # what the engine does; what leans on it is tested in every run


@pytest.fixture
def cluster(aaiclick_cluster: ClusterFactory) -> Cluster[Host]:
    return aaiclick_cluster(1, 2)


@pytest.fixture
def table(cluster: Cluster[Host]) -> str:
    """A replicated table on two hosts."""
    name = f"{cluster.atomic_database()}.t"
    cluster.hosts[0].q(
        f"CREATE TABLE {name} ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id"
    )
    return name


def told(cluster: Cluster[Host], table: str, value: str) -> list[bool]:
    """Host by host, whether the table's definition holds these words."""
    return [value in text for text in cluster.everywhere(f"SHOW CREATE TABLE {table}")]


def columns(cluster: Cluster[Host], table: str) -> list[list[str]]:
    asked = f"SELECT name FROM system.columns WHERE concat(database, '.', table) = '{table}' ORDER BY position"
    return [text.split("\n") for text in cluster.everywhere(asked)]


def test_a_column_travels_by_itself_and_is_sent_once(cluster: Cluster[Host], table: str) -> None:
    one, two = cluster.hosts
    one.q(f"ALTER TABLE {table} ADD COLUMN v UInt8", alter_sync=2)
    assert columns(cluster, table) == [["id", "v"]] * 2
    with pytest.raises(RefusedError, match="DUPLICATE_COLUMN"):
        two.q(f"ALTER TABLE {table} ADD COLUMN v UInt8")


@pytest.mark.parametrize("command", ["MODIFY SETTING max_parts_in_total = 54321", "MODIFY COMMENT '54321'"])
def test_settings_and_comments_stay_on_the_host_that_was_told(cluster: Cluster[Host], table: str, command: str) -> None:
    one = cluster.hosts[0]
    one.q(f"ALTER TABLE {table} {command}", alter_sync=2)
    # What travels has to have arrived once this has.
    one.q(f"ALTER TABLE {table} ADD COLUMN behind UInt8", alter_sync=2)
    assert columns(cluster, table)[1] == ["id", "behind"]
    assert told(cluster, table, "54321") == [True, False]


@pytest.mark.parametrize("command", ["MODIFY SETTING max_parts_in_total = 54321", "MODIFY COMMENT '54321'"])
def test_alone_on_cluster_they_reach_every_host(cluster: Cluster[Host], table: str, command: str) -> None:
    cluster.hosts[0].q(f"ALTER TABLE {table} ON CLUSTER {cluster.name} {command}")
    assert told(cluster, table, "54321") == [True, True]


def test_beside_a_column_they_reach_one_host_only(cluster: Cluster[Host], table: str) -> None:
    both = "ADD COLUMN v UInt8, MODIFY SETTING max_parts_in_total = 54321"
    cluster.hosts[0].q(f"ALTER TABLE {table} ON CLUSTER {cluster.name} {both}", alter_sync=2)
    assert columns(cluster, table) == [["id", "v"]] * 2
    assert sorted(told(cluster, table, "54321")) == [False, True]


def test_a_replica_that_is_behind_refuses_an_alter(cluster: Cluster[Host], table: str) -> None:
    one, two = cluster.hosts
    two.q(f"SYSTEM STOP REPLICATION QUEUES {table}")
    one.q(f"ALTER TABLE {table} ADD COLUMN v UInt8", alter_sync=0)
    wait_until(lambda: columns(cluster, table)[0] == ["id", "v"])
    with pytest.raises(RefusedError) as caught:
        two.q(f"ALTER TABLE {table} ADD COLUMN w UInt8", alter_sync=0)
    assert caught.value.code == 517
    two.q(f"SYSTEM START REPLICATION QUEUES {table}")
    wait_until(lambda: columns(cluster, table)[1] == ["id", "v"])
    two.q(f"ALTER TABLE {table} ADD COLUMN w UInt8", alter_sync=2)
    assert columns(cluster, table) == [["id", "v", "w"]] * 2


def test_a_replicated_database_refuses_commands_of_two_kinds(cluster: Cluster[Host]) -> None:
    database = cluster.replicated_database()
    one = cluster.hosts[0]
    one.q(f"CREATE TABLE {database}.t (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    with pytest.raises(RefusedError) as caught:
        one.q(f"ALTER TABLE {database}.t ADD COLUMN v UInt8, MODIFY SETTING max_parts_in_total = 54321")
    assert caught.value.code == 392
    one.q(f"ALTER TABLE {database}.t MODIFY SETTING max_parts_in_total = 54321")
    wait_until(lambda: told(cluster, f"{database}.t", "54321") == [True, True], "its log carries settings")


def test_a_replicated_database_does_not_replicate_the_rows_of_a_plain_table(cluster: Cluster[Host]) -> None:
    one, two = cluster.hosts
    database = cluster.replicated_database()
    one.q(f"CREATE TABLE {database}.t (id UInt64) ENGINE = MergeTree ORDER BY id")
    wait_until(lambda: two.q(f"EXISTS {database}.t") == "1")
    one.q(f"INSERT INTO {database}.t VALUES (1), (2)")
    two.q(f"INSERT INTO {database}.t VALUES (3)")
    assert cluster.everywhere(f"SELECT count() FROM {database}.t") == ["2", "1"]
