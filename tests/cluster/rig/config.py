"""The configuration of one node, as a server's administrator would write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CLUSTER = "rig"
"""The cluster's name in ``system.clusters`` and in the macro ``cluster``."""
SESSION_SECONDS = 6
"""How long a host may be silent before ZooKeeper forgets its session."""
HOST = "127.0.0.1"
EMPTY = "nothing"
"""A macro of every host that stands for no text."""
OTHERS = "elsewhere"
"""A cluster of other hosts, which nobody may ask: its one address is nobody's."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a node listens."""

    tcp: int
    http: int
    interserver: int


@dataclass(frozen=True, slots=True)
class Place:
    """One node among the others."""

    shard: int
    """From 1."""
    replica: int
    """From 1, in each shard anew."""
    ports: Ports
    """Where it listens."""
    directory: Path
    """Its data, its configuration and its logs."""
    zookeeper_port: int
    """Where ZooKeeper listens."""
    root: str
    """The ZooKeeper node of this cluster alone: new nodes would otherwise carry out an old DDL queue."""

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def error_log(self) -> Path:
        return self.directory / "server.err.log"


_NODE = """\
<clickhouse>
  <zookeeper>
    <node><host>{host}</host><port>{place.zookeeper_port}</port></node>
    <session_timeout_ms>{session}</session_timeout_ms>
    <root>{place.root}</root>
  </zookeeper>
  <listen_host>{host}</listen_host>
  <tcp_port>{ports.tcp}</tcp_port>
  <http_port>{ports.http}</http_port>
  <interserver_http_port>{ports.interserver}</interserver_http_port>
  <interserver_http_host>{host}</interserver_http_host>
  <macros>
    <cluster>{cluster}</cluster><shard>{place.shard}</shard><replica>r{place.replica}</replica><{empty}/>
  </macros>
  <default_replica_path>/clickhouse/tables/{{uuid}}/{{shard}}</default_replica_path>
  <default_replica_name>{{replica}}</default_replica_name>
  <distributed_ddl><path>{queue}</path></distributed_ddl>
  <keeper_map_path_prefix>/keeper_map</keeper_map_path_prefix>
  <remote_servers>
    <{cluster}>{shards}</{cluster}>
    <{others}><shard><replica><host>{nobody}</host><port>9000</port></replica></shard></{others}>
  </remote_servers>
  <users_config>{place.directory}/users.xml</users_config>
  <background_pool_size>4</background_pool_size>
  <background_common_pool_size>4</background_common_pool_size>
  <background_fetches_pool_size>8</background_fetches_pool_size>
  <background_schedule_pool_size>16</background_schedule_pool_size>
  <background_distributed_schedule_pool_size>4</background_distributed_schedule_pool_size>
  <background_buffer_flush_schedule_pool_size>2</background_buffer_flush_schedule_pool_size>
  <background_message_broker_schedule_pool_size>2</background_message_broker_schedule_pool_size>
  <merge_tree><min_bytes_for_wide_part>10485760</min_bytes_for_wide_part></merge_tree>
  <logger><log>{place.log}</log><errorlog>{place.error_log}</errorlog><level>debug</level></logger>
</clickhouse>
"""
QUEUE = "/clickhouse/task_queue/ddl"
"""The queue of ON CLUSTER, below the cluster's root."""
_USER = """\
    <{name}>
      <password>{password}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>{grants}
    </{name}>
"""
_USERS = """\
<clickhouse>
  <profiles><default>
    <!-- As of a server; the embedded engine has other defaults. -->
    <implicit_select>0</implicit_select>
    <allow_introspection_functions>0</allow_introspection_functions>
    <storage_file_read_method>pread</storage_file_read_method>
  </default></profiles>
  <users>
{users}  </users>
  <quotas><default/></quotas>
</clickhouse>
"""
PASSWORD = "secret"
_COLLECTIONS = "<named_collection_control>1</named_collection_control>"
_TABLES = (
    "SELECT, SHOW, INSERT, ALTER, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, DROP TABLE, DROP VIEW, DROP DICTIONARY, "
    "TRUNCATE, OPTIMIZE, SYSTEM, CLUSTER, dictGet"
)
USERS: dict[str, str] = {
    "default": "",
    "reader": "SELECT, SHOW",
    "tables_only": _TABLES,
    "scratch_only": f"{_TABLES}, SOURCES, KILL QUERY",
}
"""What each user may do; '' for everything. All but ``default`` have ``PASSWORD``; ``tables_only`` makes no database,
``scratch_only`` those that a plan is tried in."""
_SCRATCH = {"scratch_only": "<query>GRANT CREATE DATABASE, DROP DATABASE ON _aaiclick_scratch_*.*</query>"}


def write(place: Place, shards: Sequence[Sequence[Ports]]) -> Path:
    """Write the node's files and give the path of the first. ``shards`` are all nodes, itself among them."""
    place.directory.mkdir(parents=True, exist_ok=True)
    path = place.directory / "config.xml"
    path.write_text(
        _NODE.format(
            place=place,
            ports=place.ports,
            host=HOST,
            session=SESSION_SECONDS * 1000,
            cluster=CLUSTER,
            empty=EMPTY,
            others=OTHERS,
            nobody="192.0.2.1",
            queue=QUEUE,
            shards="".join(map(_shard, shards)),
        )
    )
    users = "".join(
        _USER.format(
            name=name,
            password=PASSWORD if rights else "",
            grants=f"<grants><query>GRANT {rights} ON *.*</query>{_SCRATCH.get(name, '')}</grants>"
            if rights
            else _COLLECTIONS,
        )
        for name, rights in USERS.items()
    )
    (place.directory / "users.xml").write_text(_USERS.format(users=users))
    return path


def _shard(nodes: Sequence[Ports]) -> str:
    replicas = "".join(f"<replica><host>{HOST}</host><port>{ports.tcp}</port></replica>" for ports in nodes)
    return f"<shard><internal_replication>true</internal_replication>{replicas}</shard>"
