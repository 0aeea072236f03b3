"""The fixture ``aaiclick_cluster``: several hosts with replication, ON CLUSTER, Distributed tables and Replicated
databases, on this machine.

They are the ClickHouse engine of chdb, with the start-up steps of a server supplied by the tests, and ZooKeeper. What
runs there is the engine's own replication, DDL queue, native protocol and HTTP interface.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.cluster.rig.errors import NoClusterError
from tests.cluster.rig.pool import AnyCluster, ClusterPool

REQUIRED = "AAICLICK_REQUIRE_CLUSTER"
"""With 1 in it, a cluster that cannot be started is a failure, not a skipped test."""
LOGS = ".cluster-logs"
"""Where the logs of a failed test are kept, in the checkout."""
FOLDER = Path(__file__).parent
_MOST_LOG = 20 << 20
_pool = pytest.StashKey[ClusterPool]()


class ClusterFactory(Protocol):
    """The type of the fixture ``aaiclick_cluster``."""

    def __call__(self, shards: int, replicas: int, *, releases: Mapping[int, str] | None = None) -> AnyCluster: ...


@pytest.fixture(scope="session")
def cluster_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterPool]:
    pool = ClusterPool(tmp_path_factory.mktemp("clusters"))
    yield pool
    pool.close()


@pytest.fixture
def aaiclick_cluster(cluster_pool: ClusterPool, request: pytest.FixtureRequest) -> Iterator[ClusterFactory]:
    """``aaiclick_cluster(shards, replicas)`` gives a cluster whose hosts all run; tests share it, one after the other.

    A test makes databases of its own in it (``atomic_database``, ``replicated_database``); databases that it made are
    dropped after it, what it killed or paused runs again. ``releases={2: "26.7.3"}`` puts the second host on another
    chdb-core. The logs of a failed test are kept, and its report says where.
    """
    request.node.stash[_pool] = cluster_pool

    def get(shards: int, replicas: int, *, releases: Mapping[int, str] | None = None) -> AnyCluster:
        try:
            return cluster_pool.get(shards, replicas, releases)
        except NoClusterError as error:
            if os.environ.get(REQUIRED) == "1" and not releases:
                pytest.fail(f"{REQUIRED} is set, and no cluster can be started: {error}")
            pytest.skip(f"no cluster: {error}")

    with cluster_pool.test():
        yield get


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Idle hosts are no company for other tests: they take memory, and a little of each processor."""
    pool = item.stash.get(_pool, None)
    if pool is not None and nextitem is not None and FOLDER not in nextitem.path.parents:
        pool.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    pool = item.stash.get(_pool, None)
    if report.failed and pool is not None:
        for cluster in pool.in_use:
            kept = _keep_logs(cluster, item.config.rootpath / LOGS / _file_name(item.nodeid))
            report.sections.append(("cluster logs", f"kept in {kept}"))
    return report


def _keep_logs(cluster: AnyCluster, folder: Path) -> Path:
    """The end of each log: the whole one where it is not too long."""
    shutil.rmtree(folder, ignore_errors=True)
    for process, logs in cluster.logs.items():
        for log in filter(Path.exists, logs):
            target = folder / process / log.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with log.open("rb") as source:
                source.seek(max(0, log.stat().st_size - _MOST_LOG))
                target.write_bytes(source.read())
    return folder


def _file_name(node: str) -> str:
    return "".join(
        letter if letter.isalnum() or letter in "_-." else "-" for letter in node.removeprefix("tests/cluster/")
    )
