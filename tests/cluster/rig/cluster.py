"""A cluster as a test sees it: hosts, databases on all of them, and an end that leaves nothing behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aaiclick.testing.engine import fresh_name
from tests.cluster.rig.errors import AwayError, RefusedError
from tests.cluster.rig.host import Host
from tests.cluster.rig.waiting import wait_until

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tests.cluster.rig.zookeeper import ZooKeeper

T = TypeVar("T")
H_co = TypeVar("H_co", bound=Host, covariant=True)
_DATABASES = "SELECT name FROM system.databases ORDER BY name"


class Cluster(ABC, Generic[H_co]):
    """``hosts`` in the order of shards, then replicas.

    ``name`` is the cluster's in ``system.clusters``, for ``ON CLUSTER``; the macros ``cluster``, ``shard`` and
    ``replica`` are set on every host, and ``ReplicatedMergeTree`` needs no arguments.
    """

    can_be_broken: bool
    """Whether hosts and ZooKeeper may be killed and paused."""

    def __init__(self, name: str, shards: int, replicas: int) -> None:
        self.name = name
        self.shards = shards
        self.replicas = replicas
        self._made: list[str] = []
        self._before: dict[Host, set[str]] = {}
        self._clients: list[Client] = []

    @property
    @abstractmethod
    def hosts(self) -> Sequence[H_co]: ...

    @property
    @abstractmethod
    def zookeeper(self) -> ZooKeeper:
        """To be killed, paused and started again."""

    @property
    @abstractmethod
    def logs(self) -> dict[str, list[Path]]:
        """The log files of each process, by its name."""

    @abstractmethod
    def heal(self) -> None:
        """Everything that a test ended or paused runs again."""

    @abstractmethod
    def close(self) -> None:
        """The end of the cluster."""

    def host(self, shard: int, replica: int) -> H_co:
        """One of them, counted from 1."""
        return next(host for host in self.hosts if (host.shard, host.replica) == (shard, replica))

    @property
    def urls(self) -> list[str]:
        """Of all hosts."""
        return [host.url for host in self.hosts]

    def everywhere(self, sql: str, **settings: Any) -> list[str]:
        """The same statement to each host by itself, at the same time; the answers in the order of ``hosts``."""
        return self.each(lambda host: host.q(sql, **settings))

    def each(self, do: Callable[[Host], T]) -> list[T]:
        """Do something with all hosts at the same time."""
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            return list(pool.map(do, self.hosts))

    def atomic_database(self, name: str = "") -> str:
        """A fresh Atomic database on every host (ON CLUSTER); dropped after the test."""
        name = name or fresh_name()
        self._made.append(name)
        self.hosts[0].q(f"CREATE DATABASE `{name}` ON CLUSTER `{self.name}`")
        return name

    def replicated_database(self, name: str = "", first: int | None = None) -> str:
        """A fresh Replicated database on every host, or on so many of the ``first``; dropped after the test."""
        name = name or fresh_name()
        self._made.append(name)
        hosts = self.hosts[:first]
        self.each(lambda host: self.join_database(host, name) if host in hosts else None)
        return name

    def join_database(self, host: Host, name: str) -> None:
        """A host becomes one of those of a Replicated database."""
        host.q(f"CREATE DATABASE `{name}` ENGINE = Replicated('/databases/{name}', '{{shard}}', '{{replica}}')")

    def sync(self, table: str) -> None:
        """Wait until every host has all rows that any host has acknowledged before."""
        self.everywhere(f"SYSTEM SYNC REPLICA {table}")

    def same(self, sql: str, hosts: Sequence[Host] = (), seconds: float = 30) -> list[list[Any]]:
        """Wait until all hosts (or these) give the same answer, and give it.

        Two hosts that took one row each, and have not fetched the other's, count the same: ``sync`` before that.
        """
        found: list[list[list[Any]]] = []

        def equal() -> bool:
            found[:] = [host.rows(sql) for host in hosts or self.hosts]
            return all(answer == found[0] for answer in found)

        wait_until(equal, f"the same answer everywhere: {sql}", seconds)
        return found[0]

    def remember(self) -> None:
        """At the beginning of a test: these databases are not its own."""
        self._made = []
        self._before = dict(zip(self.hosts, self.each(_databases), strict=True))

    def clean(self) -> None:
        """At the end of a test: what ran runs, and what it made is gone."""
        for client in self._clients:
            with suppress(Exception):
                client.close()
        self._clients = []
        self.heal()
        self.each(self._drop_what_is_new)

    def _drop_what_is_new(self, host: Host) -> None:
        for name in sorted(_databases(host) - self._before.get(host, set())):
            # On servers that are somebody else's only what has the name of a database that was made here.
            if self.can_be_broken or any(made in name for made in self._made):
                wait_until(partial(_dropped, host, name), f"{name} is dropped on {host!r}", 60, 0.2)


def _databases(host: Host) -> set[str]:
    return set(host.q(_DATABASES).splitlines())


def _dropped(host: Host, name: str) -> bool:
    """A replica that lost its session a moment ago refuses this until it has a new one."""
    try:
        host.q(f"DROP DATABASE IF EXISTS `{name}` SYNC")
    except (RefusedError, AwayError):
        return False
    return True
