"""Which hosts hold the objects of a database, and how a statement reaches all of them.

Nothing is asked where nothing speaks of a cluster: no name of one was given, the database is not replicated, and no
table has a second replica.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.names import RECORDS, is_ours
from aaiclick.errors import ApplyError, StatementError, UsageError
from aaiclick.routine import Query, Routine, Row, flag, number, text
from aaiclick.sql.hex_text import hexed, hexed_list
from aaiclick.sql.quoting import quote_string

Kind: TypeAlias = Literal["single", "queue", "database", "shared", "apart"]
"""How hosts share definitions.

``single``: one host. ``queue``: statements go ON CLUSTER, by the queue that all hosts read. ``database``: a Replicated
database has a log of its own. ``shared``: a service whose hosts share everything (ClickHouse Cloud). ``apart``: there
are several hosts, and no name of a cluster that would reach them all.
"""


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a cluster, as ``system.clusters`` lists it."""

    name: str
    """Its name or address."""
    port: int
    """Its native port."""
    shard: int
    """The shard that it belongs to, from 1."""
    replica: int
    """Its place in the shard, from 1."""
    is_local: bool = False
    """It is the one that was asked."""

    @property
    def label(self) -> str:
        """How it is called in sentences; with its port where that is not the usual one."""
        return self.name if self.port in (0, 9000, 9440) else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Topology:
    """The hosts of a database."""

    kind: Kind
    """How they share definitions."""
    cluster: str = ""
    """The name of the cluster, without macros; '' where there is none."""
    hosts: tuple[Host, ...] = ()
    """All hosts, in the order of the cluster; empty where they are not known."""
    database: str = ""
    """Name of the database."""

    @property
    def single(self) -> bool:
        """True where there is one host, or everything is as on one."""
        return self.kind == "single"

    @property
    def shards(self) -> int:
        """How many shards there are; 0 where the hosts are not known."""
        return len({host.shard for host in self.hosts})

    @property
    def replicas(self) -> int:
        """How many hosts the largest shard has; 0 where they are not known."""
        shards = [host.shard for host in self.hosts]
        return max((shards.count(shard) for shard in shards), default=0)

    @property
    def words(self) -> str:
        """What an operator reads: ``cluster c: 2 shards x 2 replicas``."""
        if self.kind == "database":
            return f"Replicated database {self.database}: {_size(self.shards, self.replicas)}"
        return f"cluster {self.cluster}: {_size(self.shards, self.replicas)}" if self.hosts else self.kind

    @property
    def apart(self) -> Topology:
        """The same with each host a shard of its own, numbered by its place: for tables of which each has its own."""
        listed = tuple(replace(host, shard=place, replica=1) for place, host in enumerate(self.hosts, 1))
        return replace(self, hosts=listed)

    def of_table(self, engine: str) -> Topology:
        """The hosts as they share the rows of a table of that engine: where it is not replicated each has its own."""
        return self if engine.startswith("Replicated") else self.apart

    @property
    def reached(self) -> bool:
        """True where there are several hosts, and every one of them can be asked."""
        return self.kind in ("queue", "database") and len(self.hosts) > 1

    @property
    def local(self) -> int:
        """The place of the host that is connected to; 0 where the server does not say."""
        return next((place for place, host in enumerate(self.hosts, 1) if host.is_local), 0)

    def everywhere(self, table: str) -> str:
        """A system table, read on every host. ``_shard_num`` is the place of the host that a row is of, from 1, in
        ``hosts``: every replica counts as a shard there."""
        return f"clusterAllReplicas({quote_string(self.cluster)}, {table})"

    def aggregated(self, select: str) -> str:
        """A query with ``sum``, ``min`` or ``max``, carried out by every host by itself; ``_shard_num`` as above."""
        # Where the profile of a host has this setting, it answers them in columns of other names and types: of a query
        # that all of them carry out together they would be the parts, and it would fail (10).
        return self.everywhere(f"view({select} SETTINGS aggregate_functions_null_for_empty = 0)")

    def each_shard(self, table: str) -> str:
        """A table, or a query in ``view``, read on one host of each shard. ``_shard_num`` is its number, from 1."""
        # Hosts of which each is a shard of its own are all asked.
        function = "cluster" if self.replicas > 1 else "clusterAllReplicas"
        return f"{function}({quote_string(self.cluster)}, {table})"

    def at(self, place: int) -> Host:
        """The host of that ``_shard_num``. Raises ApplyError where there were fewer hosts when they were listed."""
        self.require_known((place,))
        return self.hosts[place - 1]

    def require_known(self, places: Collection[int]) -> None:
        """Raise ApplyError where a host has answered that was not there when they were listed: the server lists them
        anew for each question, and from that moment on a place may be that of another host."""
        if max(places, default=0) > len(self.hosts):
            raise host_joined(self.words)


def host_joined(known: str) -> ApplyError:
    """For an answer of a host that was not there when these were listed."""
    return ApplyError(
        f"a host has joined since this run looked which there are ({known}). Run again: that begins with the hosts of "
        "now"
    )


SINGLE = Topology("single")
"""One host: nothing is done otherwise than it always was."""

GLANCE: dict[str, str | int] = {
    "skip_unavailable_shards": 1,
    # Tried three times by default. A host that stands still takes the connection, and says nothing: it would cost half
    # a minute each time.
    "connect_timeout_with_failover_ms": 2000,
    "handshake_timeout_ms": 3000,
}
"""Settings of a question to all hosts that tells what can be told."""
LOOK: dict[str, str | int] = {
    **GLANCE,
    "receive_timeout": 10,
    "use_hedged_requests": 0,
    "max_execution_time": 30,
    # A handful of rows: more threads take longer to begin than to read them.
    "max_threads": 1,
}
"""Settings of a question to all hosts: one that does not answer is left out within seconds."""
PROOF: dict[str, str | int] = {**LOOK, "skip_unavailable_shards": 0}
"""Settings of a question that fails where a host does not answer."""

_HOSTS = (
    "SELECT host_name, toInt64(port), toInt64(shard_num), toInt64(replica_num), toInt64(is_local) FROM system.clusters"
    " WHERE cluster = unhex({cluster:String}) ORDER BY shard_num, replica_num"
)
_MACROS = "SELECT macro, substitution FROM system.macros"
# The clusters that have this host, and as many replicas in its shard as the tables have. A Replicated database is
# listed as a cluster of its own name, too, and is none of them.
_CANDIDATES = (
    "SELECT cluster FROM system.clusters WHERE (cluster, shard_num) IN (SELECT cluster, shard_num FROM system.clusters "
    "WHERE is_local) AND arrayElement(splitByChar('.', cluster), -1) NOT IN (SELECT name FROM system.databases WHERE "
    "engine = 'Replicated') GROUP BY cluster, shard_num HAVING count() = {most:Int64} ORDER BY cluster"
)
_OF_OURS = "FROM system.clusters WHERE cluster = unhex({ours:String}))"
# A host without an address is one whose name cannot be resolved now: it may be any.
_ELSEWHERE = (
    "SELECT cluster FROM system.clusters WHERE has(splitByChar(',', {names:String}), hex(cluster)) GROUP BY cluster "
    "HAVING countIf(is_local OR host_name = hostName() OR host_address = '' OR startsWith(host_address, '127.') OR "
    f"host_address = '::1' OR host_name IN (SELECT host_name {_OF_OURS} OR host_address IN (SELECT host_address "
    f"{_OF_OURS}) = 0"
)
_CLUSTERS = "SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster"


def may_be_cluster(catalog: Catalog, cluster: str) -> bool:
    """True where something says that there may be more than one host."""
    return (
        bool(cluster)
        or catalog.replicas not in (0, 1)
        or any(live.replicas > 1 for live in catalog.objects.values() if not _ours(live.name))
    )


def read_topology(catalog: Catalog, cluster: str = "") -> Routine[Topology]:
    """The hosts that hold the objects of the catalogue. ``cluster``: the name that was given, with or without macros;
    '' for none.

    Raises ``UsageError`` where the server knows no cluster of that name.
    """
    if not may_be_cluster(catalog, cluster):
        return SINGLE
    # Before a name that was given: such a service needs no ON CLUSTER.
    if catalog.database_engine == "Shared" or any(
        live.engine.startswith("Shared") for live in catalog.objects.values()
    ):
        return Topology("shared", database=catalog.database)
    # Its own log takes definitions to all hosts: nothing needs ON CLUSTER, whatever name was given.
    if catalog.database_engine == "Replicated":
        # It is listed as a cluster under its own name.
        hosts = yield from hosts_of(catalog.database)
        return _one_or("database", catalog.database, hosts, catalog.database)
    if cluster:
        name = yield from with_macros(cluster)
        if not name:
            return SINGLE  # the same declaration on a server that is in no cluster
        hosts = yield from hosts_of(name)
        if not hosts:
            known = ", ".join(text(row[0]) for row in (yield Query(_CLUSTERS))) or "none"
            raise UsageError(f"this server knows no cluster {name} (it knows: {known}). Nothing was changed")
        return _one_or("queue", name, hosts, catalog.database)
    # No name was given, but the tables have replicas elsewhere: the cluster that has as many is it, or nobody knows.
    found = yield from _of_replicas(catalog)
    return found if found is not None else Topology("apart", database=catalog.database)


def hosts_of(cluster: str) -> Routine[tuple[Host, ...]]:
    """The hosts of a cluster; none where there is none of that name, or where the server cannot tell."""
    try:
        rows = yield Query(_HOSTS, {"cluster": hexed(cluster)})
    except StatementError:
        return ()
    return tuple(_host(row) for row in rows)


def clusters_elsewhere(names: Collection[str], ours: str) -> Routine[frozenset[str]]:
    """Those of these clusters that have neither this host nor one of the cluster ``ours`` ('' for none), as far as
    names and addresses tell. One that the server does not know is not among them."""
    if not names:
        return frozenset()
    try:
        rows = yield Query(_ELSEWHERE, {"names": hexed_list(names), "ours": hexed(ours)})
    except StatementError as error:
        if error.code == 0:
            raise
        return frozenset()
    return frozenset(text(row[0]) for row in rows)


def with_macros(name: str) -> Routine[str]:
    """A name with the server's macros put in: ``{cluster}``. '' where this server lacks one of them."""
    if "{" not in name:
        return name
    for macro, value in (yield Query(_MACROS)):
        name = name.replace("{" + text(macro) + "}", text(value))
    return "" if "{" in name else name


def named(topology: Topology, places: Collection[int]) -> str:
    """The hosts of these ``_shard_num``, for a sentence."""
    return ", ".join(topology.at(place).label for place in sorted(places))


def _of_replicas(catalog: Catalog) -> Routine[Topology | None]:
    """The one cluster that has this host and as many replicas in its shard as the tables have; None where there is
    none, or more than one and none of them is what the macro ``{cluster}`` says."""
    most = max(live.replicas for live in catalog.objects.values() if not _ours(live.name))
    rows = yield Query(_CANDIDATES, {"most": most})
    names = [text(row[0]) for row in rows]
    usual = (yield from with_macros("{cluster}")) if len(names) > 1 else ""
    name = usual if usual in names else names[0] if len(names) == 1 else ""
    if not name:
        # Two clusters with the same hosts cannot be told apart by their tables: nobody is asked to guess.
        return None
    return _one_or("queue", name, (yield from hosts_of(name)), catalog.database)


def _one_or(kind: Kind, cluster: str, hosts: tuple[Host, ...], database: str) -> Topology:
    """A cluster of one host is one host."""
    if len(hosts) == 1:
        return Topology("single", cluster, hosts, database)
    return Topology(kind, cluster, hosts, database)


def _host(row: Row) -> Host:
    return Host(text(row[0]), number(row[1]), number(row[2]), number(row[3]), flag(row[4]))


def _ours(name: str) -> bool:
    """What this library keeps for all hosts is there once for all shards."""
    return is_ours(name) or name == RECORDS


def _size(shards: int, replicas: int) -> str:
    return f"{shards} {'shard' if shards == 1 else 'shards'} x {replicas} {'replica' if replicas == 1 else 'replicas'}"
