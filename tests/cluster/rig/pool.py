"""The clusters of one test process: each shape is started once and shared; the least recently used make room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.cluster.rig import engines, servers
from tests.cluster.rig.errors import NoClusterError
from tests.cluster.rig.local import LocalCluster
from tests.cluster.rig.servers import ServerCluster
from tests.cluster.rig.zookeeper import ZooKeeper, what_is_missing

AnyCluster: TypeAlias = "LocalCluster | ServerCluster"
_MOST = 2
"""Clusters that run at the same time; a node takes 270 MB."""
Shape: TypeAlias = "tuple[int, tuple[str, ...]]"


class ClusterPool:
    """Starts what a test asks for. ``directory`` is for data and logs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._zookeeper: ZooKeeper | None = None
        self._clusters: dict[Shape, AnyCluster] = {}
        self._started = 0
        self.in_use: list[AnyCluster] = []
        """Of the test that runs."""

    def get(self, shards: int, replicas: int, releases: Mapping[int, str] | None = None) -> AnyCluster:
        """A cluster of that shape, everything running, none of a former test's databases in it. ``releases`` gives
        hosts (counted from 1, in the order of ``hosts``) another chdb-core. Raises NoClusterError."""
        names = [(releases or {}).get(number, engines.PINNED) for number in range(1, shards * replicas + 1)]
        shape = (shards, tuple(names))
        cluster = self._clusters.pop(shape, None)
        if cluster is None:
            cluster = self._start(shards, replicas, names)
        self._clusters[shape] = cluster
        if cluster not in self.in_use:
            cluster.remember()
            self.in_use.append(cluster)
        return cluster

    @contextmanager
    def test(self) -> Iterator[None]:
        """What a test leaves is cleaned behind it; a cluster that cannot be is given up."""
        self.in_use = []
        try:
            yield
        finally:
            for cluster in self.in_use:
                try:
                    cluster.clean()
                except BaseException:
                    self._forget(cluster)
                    raise
            self.in_use = []

    def close(self) -> None:
        """Nothing runs any more, until a test asks for it."""
        for cluster in list(self._clusters.values()):
            self._forget(cluster)
        if self._zookeeper is not None:
            self._zookeeper.kill()

    def _start(self, shards: int, replicas: int, names: list[str]) -> AnyCluster:
        if servers.urls():
            if set(names) != {engines.PINNED}:
                raise NoClusterError(f"{servers.VARIABLE} names servers, and their releases are what they are")
            return ServerCluster(servers.urls(), shards, replicas)
        missing = what_is_missing()
        if missing:
            raise NoClusterError(missing)
        found = [engines.find(name, fetch=name == engines.PINNED) for name in names]
        idle = [cluster for cluster in self._clusters.values() if cluster not in self.in_use]
        for cluster in idle[: max(0, len(self._clusters) - _MOST + 1)]:
            self._forget(cluster)
        if self._zookeeper is None:
            self._zookeeper = ZooKeeper(self._directory / "zookeeper")
        self._zookeeper.resume()
        self._zookeeper.start()
        self._started += 1
        return LocalCluster(self._directory / f"cluster{self._started}", self._zookeeper, shards, found)

    def _forget(self, cluster: AnyCluster) -> None:
        self._clusters = {shape: kept for shape, kept in self._clusters.items() if kept is not cluster}
        cluster.close()
