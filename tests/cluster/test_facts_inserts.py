"""Which repeated INSERT counts once: what a lock over all hosts rests on, and what a copy has to switch off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.host import Host

pytestmark = pytest.mark.proof  # what the engine does; what leans on it is tested in every run


@pytest.fixture
def cluster(aaiclick_cluster: ClusterFactory) -> Cluster[Host]:
    return aaiclick_cluster(1, 2)


@pytest.fixture
def table(cluster: Cluster[Host]) -> str:
    name = f"{cluster.atomic_database()}.t"
    cluster.hosts[0].q(
        f"CREATE TABLE {name} ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id"
    )
    return name


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({}, 1),
        ({"insert_deduplicate": 0}, 1),  # the setting of older releases no longer counts
        ({"deduplicate_insert": "disable"}, 2),
    ],
)
def test_the_same_values_on_both_hosts(cluster: Cluster[Host], table: str, settings: dict[str, Any], rows: int) -> None:
    for host in cluster.hosts:
        host.q(f"INSERT INTO {table} VALUES (7)", **settings)
    cluster.sync(table)
    assert cluster.same(f"SELECT count() FROM {table}") == [[rows]]


@pytest.mark.parametrize(
    ("order", "settings", "rows"),
    [
        ("", {}, 2),
        ("ORDER BY ALL", {}, 1),
        ("ORDER BY ALL", {"insert_deduplicate": 0}, 1),
        ("ORDER BY ALL", {"deduplicate_insert_select": "disable"}, 2),
    ],
)
def test_the_same_select_on_both_hosts(
    cluster: Cluster[Host], table: str, order: str, settings: dict[str, Any], rows: int
) -> None:
    for host in cluster.hosts:
        host.q(f"INSERT INTO {table} SELECT number FROM numbers(1) {order}", **settings)
    cluster.sync(table)
    assert cluster.same(f"SELECT count() FROM {table}") == [[rows]]


@pytest.mark.parametrize("settings", [{}, {"deduplicate_insert": "enable"}])
def test_of_all_rows_with_one_token_one_is_taken(cluster: Cluster[Host], table: str, settings: dict[str, Any]) -> None:
    """All are acknowledged; whether the row is there tells who was the first."""

    def insert(row: int) -> None:
        host = cluster.hosts[row % 2]
        host.q(f"INSERT INTO {table} VALUES ({row})", insert_deduplication_token="generation 1", **settings)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(insert, range(6)))
    cluster.sync(table)
    assert cluster.same(f"SELECT count() FROM {table}") == [[1]]
    insert(6)
    cluster.sync(table)
    assert cluster.same(f"SELECT count() FROM {table}") == [[1]]


def test_a_token_does_not_count_where_deduplication_is_off(cluster: Cluster[Host], table: str) -> None:
    for row, host in enumerate(cluster.hosts):
        host.q(
            f"INSERT INTO {table} VALUES ({row})",
            insert_deduplication_token="generation 1",
            deduplicate_insert="disable",
        )
    cluster.sync(table)
    assert cluster.same(f"SELECT count() FROM {table}") == [[2]]


def test_through_a_distributed_table_it_is_the_same_setting(aaiclick_cluster: ClusterFactory) -> None:
    cluster = aaiclick_cluster(2, 2)
    database = cluster.atomic_database()
    one = cluster.hosts[0]
    one.q(f"CREATE TABLE {database}.t ON CLUSTER {cluster.name} (id UInt64) ENGINE = ReplicatedMergeTree ORDER BY id")
    one.q(
        f"CREATE TABLE {database}.d ON CLUSTER {cluster.name} AS {database}.t"
        f" ENGINE = Distributed({cluster.name}, {database}, t, id)"
    )
    cases: list[tuple[dict[str, Any], int]] = [({}, 4), ({"deduplicate_insert": "disable"}, 8)]
    for settings, rows in cases:
        for host in (cluster.host(1, 1), cluster.host(2, 2)):
            host.q(f"INSERT INTO {database}.d VALUES (1), (2), (3), (4)", distributed_foreground_insert=1, **settings)
        cluster.sync(f"{database}.t")
        assert cluster.same(f"SELECT count() FROM {database}.d") == [[rows]]
        cluster.hosts[0].q(f"TRUNCATE TABLE {database}.t ON CLUSTER {cluster.name} SYNC")
