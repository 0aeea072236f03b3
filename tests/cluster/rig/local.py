"""A cluster of chdb processes on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.cluster.rig import config, engines
from tests.cluster.rig.cluster import Cluster
from tests.cluster.rig.host import Host
from tests.cluster.rig.node import UP
from tests.cluster.rig.ports import claim_port, release_port
from tests.cluster.rig.process import ClusterProcess
from tests.cluster.rig.zookeeper import ZooKeeper

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_PROJECT = Path(__file__).parents[3]


class LocalNode(ClusterProcess, Host):
    """One chdb process. ``kill``, ``pause``, ``resume``, ``start``, ``restart``; its data survives all of them."""

    def __init__(self, place: config.Place, engine: engines.Engine, opened: Callable[[Client], None]) -> None:
        ClusterProcess.__init__(self, f"shard{place.shard}-replica{place.replica}", place.directory)
        Host.__init__(self, f"http://{config.HOST}:{place.ports.http}", place.shard, place.replica, opened)
        self.engine = engine
        self._place = place

    @property
    def logs(self) -> list[Path]:
        return [self._place.log, self._place.error_log, self.output]

    def move(self, engine: engines.Engine) -> None:
        """kill -9, and start on another release with the same data."""
        self.kill()
        self.engine = engine
        self.start()

    def release_ports(self) -> None:
        """It does not start again."""
        for port in (self._place.ports.tcp, self._place.ports.http, self._place.ports.interserver):
            release_port(port)

    def launch(self) -> None:
        if not self.running:
            (self.directory / UP).unlink(missing_ok=True)
        super().launch()

    def _command(self) -> list[str]:
        port = str(self._place.ports.interserver)
        return [sys.executable, "-m", "tests.cluster.rig.node", str(self.engine.addresses), str(self.directory), port]

    def _environment(self) -> dict[str, str]:
        paths = [str(self.engine.folder)] if self.engine.folder else []
        return {"PYTHONPATH": os.pathsep.join([*paths, str(_PROJECT)])}

    def _answers(self) -> bool:
        return (self.directory / UP).exists()


class LocalCluster(Cluster[LocalNode]):
    """``releases`` are the chdb-core releases of the hosts, one after the other."""

    can_be_broken = True

    def __init__(self, directory: Path, zookeeper: ZooKeeper, shards: int, releases: Sequence[engines.Engine]) -> None:
        replicas = len(releases) // shards
        super().__init__(config.CLUSTER, shards, replicas)
        self.directory = directory
        self._zookeeper = zookeeper
        root = f"/{uuid4().hex}"
        zookeeper.create_root(root)
        ports = [config.Ports(claim_port(), claim_port(), claim_port()) for _ in releases]
        self._nodes: list[LocalNode] = []
        for index, engine in enumerate(releases):
            shard, replica = divmod(index, replicas)
            folder = directory / f"shard{shard + 1}-replica{replica + 1}"
            place = config.Place(shard + 1, replica + 1, ports[index], folder, zookeeper.port, root)
            config.write(place, [ports[first : first + replicas] for first in range(0, len(ports), replicas)])
            self._nodes.append(LocalNode(place, engine, self._clients_append))
        self.heal()

    @property
    def hosts(self) -> Sequence[LocalNode]:
        return self._nodes

    @property
    def zookeeper(self) -> ZooKeeper:
        return self._zookeeper

    @property
    def logs(self) -> dict[str, list[Path]]:
        return {process.title: process.logs for process in (*self._nodes, self._zookeeper)}

    def heal(self) -> None:
        for process in (self._zookeeper, *self._nodes):
            process.resume()
            process.launch()
            if process is self._zookeeper:
                process.wait()
        for node in self._nodes:
            node.wait()

    def close(self) -> None:
        for node in self._nodes:
            node.kill()
            node.release_ports()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _clients_append(self, client: Client) -> None:
        self._clients.append(client)
