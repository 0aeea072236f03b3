"""A copy on two hosts of one shard, beside the same on one of them: what it costs that other hosts take part."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from aaiclick import Column, MergeTree, Policy, Schema, Table, ensure_schema
from benchmarks.measure import Line, Results
from tests.cluster.rig.errors import NoClusterError
from tests.cluster.rig.pool import AnyCluster, ClusterPool

pytestmark = pytest.mark.bench
LARGE = 20_000_000
BLOCK = 1_000_000
NOTE = (
    "two hosts on one machine, which take turns for its two cores. The other side is the copy on one of them, and the "
    "time in which the other one fetches the parts that it has made. Some 240 small statements and looks at all hosts "
    "are in it, whatever the number of rows."
)


def schema(version: int, cluster: str | None) -> Schema:
    """Another sort key in each version."""
    columns = [Column("id", "UInt64"), Column("v", "UInt32"), Column("at", "DateTime"), Column("s", "String")]
    key = ["id"] if version % 2 else ["v", "id"]
    engine = MergeTree(order_by=key, partition_by="toYYYYMM(at)", replicated="" if cluster else None)
    return Schema("shop", version=version, objects=[Table("events", columns, engine=engine)], cluster=cluster)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Ground:
    """A full table, on one host or on all of them, that is copied into each version."""

    def __init__(self, cluster: AnyCluster, name: str | None, rows: int) -> None:
        self.database = cluster.atomic_database()
        self.host = cluster.hosts[0]
        self.name = name
        self.version = 0
        self.next()
        for first in range(0, rows, BLOCK):
            self.host.q(
                f"INSERT INTO {self.database}.events SELECT number AS n, cityHash64(n) % 1000000, toDateTime("
                f"'2026-01-01 00:00:00') + n % 10000000, toString(n % 1000) FROM numbers({first}, "
                f"{min(BLOCK, rows - first)})",
                timeout=600,
            )
        self.host.q(f"OPTIMIZE TABLE {self.database}.events FINAL", timeout=600)

    def next(self) -> None:
        """The next version, made by a start."""
        self.version += 1
        policy = Policy.lossless(keep_old=timedelta(0))
        ensure_schema(self.host.database_url(self.database), schema(self.version, self.name), policy)


def fetched(cluster: AnyCluster, alone: Ground, spread: Ground) -> float:
    """In how many seconds the other host fetches all parts of a table that one host has. (Of a table that both have it
    would link its own.)"""
    one, two = cluster.hosts
    probe, source = f"{spread.database}.probe", f"{alone.database}.events"
    on = f"ON CLUSTER '{cluster.name}'"
    one.q(
        f"CREATE TABLE {probe} {on} (id UInt64, v UInt32, at DateTime, s String) ENGINE = ReplicatedMergeTree "
        f"PARTITION BY toYYYYMM(at) ORDER BY {'id' if alone.version % 2 else '(v, id)'}"
    )
    two.q(f"SYSTEM STOP FETCHES {probe}")
    for (partition,) in one.rows(
        f"SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = '{alone.database}' AND table = "
        "'events'"
    ):
        one.q(f"ALTER TABLE {probe} ATTACH PARTITION ID '{partition}' FROM {source}", timeout=600)
    two.q(f"SYSTEM START FETCHES {probe}")
    seconds = timed(lambda: two.q(f"SYSTEM SYNC REPLICA {probe}", timeout=600, receive_timeout=600))
    assert one.one(f"SELECT count() FROM {probe}") == two.one(f"SELECT count() FROM {probe}")
    one.q(f"DROP TABLE {probe} {on} SYNC")
    return seconds


def test_a_copy_on_two_hosts(results: Results, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    large = bool(pytestconfig.getoption("--large"))
    rows = LARGE if large else min(LARGE, int(pytestconfig.getoption("--rows")))
    pool = ClusterPool(tmp_path)
    try:
        try:
            cluster = pool.get(1, 2, None)
        except NoClusterError as error:
            pytest.skip(f"no cluster: {error}")
        alone, spread = Ground(cluster, None, rows), Ground(cluster, "{cluster}", rows)
        rounds = [
            (timed(alone.next), timed(spread.next), fetched(cluster, alone, spread)) for _ in range(1 + (not large) * 2)
        ]
    finally:
        with suppress(NoClusterError):
            pool.close()
    print(rounds, os.getloadavg())
    one, two, fetching = sorted(rounds, key=lambda each: each[1] / (each[0] + each[2]))[len(rounds) // 2]
    ratio = two / (one + fetching)
    shown = f"{ratio:.2f} x ({two:.0f} s against {one:.0f} s and {fetching:.0f} s)"
    results.add(
        Line(
            f"rebuild on 1 shard x 2 replicas, {rows / 1e6:.0f} M rows",
            "the same on one host, and the fetch of its parts",
            "≤ 1.3 x",
            1.3,
            ratio,
            shown,
            NOTE,
        )
    )
