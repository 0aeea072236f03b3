"""Real servers in place of the rig: ``AAICLICK_TEST_CLUSTER=http://h1:8123,http://h2:8123``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.errors import NoClusterError
from tests.cluster.rig.host import Host

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tests.cluster.rig.zookeeper import ZooKeeper

VARIABLE = "AAICLICK_TEST_CLUSTER"
_OWN_PLACES = "SELECT cluster, shard_num, replica_num FROM system.clusters WHERE is_local ORDER BY ALL"
_SIZE = "SELECT count(), uniqExact(shard_num) FROM system.clusters WHERE cluster = '{name}'"


def urls() -> list[str]:
    """The servers' addresses; none where the tests start a cluster themselves."""
    return [url.strip() for url in os.environ.get(VARIABLE, "").split(",") if url.strip()]


def _keep_off() -> NoReturn:
    pytest.skip(f"{VARIABLE} names servers, and a test kills and pauses only what it has started itself")


class Server(Host):
    """A server that somebody else runs."""

    def kill(self) -> None:
        _keep_off()

    pause = resume = start = restart = kill

    def move(self, engine: object) -> None:
        _keep_off()


class ServerCluster(Cluster[Server]):
    """The servers of one cluster of the wanted shape: whatever its name, all of its hosts are among the addresses."""

    can_be_broken = False

    def __init__(self, addresses: Sequence[str], shards: int, replicas: int) -> None:
        places: dict[str, list[tuple[int, int, str]]] = {}
        for address in addresses:
            for name, shard, replica in Server(address, 0, 0, _ignore).rows(_OWN_PLACES):
                places.setdefault(name, []).append((shard, replica, address))
        for name, found in sorted(places.items()):
            wanted = [(shard, replica) for shard in range(1, shards + 1) for replica in range(1, replicas + 1)]
            here = sorted(found)
            if [place[:2] for place in here] == wanted and self._is_whole(here, name, shards):
                super().__init__(name, shards, replicas)
                self._servers = [Server(address, shard, replica, self._note) for shard, replica, address in here]
                return
        raise NoClusterError(
            f"{VARIABLE}: none of the clusters {', '.join(sorted(places)) or '(there is none)'} has {shards} shard(s) of "
            f"{replicas} replica(s) among these servers"
        )

    @property
    def hosts(self) -> Sequence[Server]:
        return self._servers

    @property
    def zookeeper(self) -> ZooKeeper:
        _keep_off()

    @property
    def logs(self) -> dict[str, list[Path]]:
        return {}

    def heal(self) -> None:
        """Nothing was broken."""

    def close(self) -> None:
        """They go on."""

    def _note(self, client: Client) -> None:
        self._clients.append(client)

    @staticmethod
    def _is_whole(here: Sequence[tuple[int, int, str]], name: str, shards: int) -> bool:
        """Whether the cluster has no host beside these."""
        first = here[0][2]
        return Server(first, 0, 0, _ignore).rows(_SIZE.format(name=name)) == [[len(here), shards]]


def _ignore(client: object) -> None:
    """What is asked here opens no client."""
