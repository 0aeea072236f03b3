"""Databases on a cluster that starts are made on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    ensure_schema,
    plan_schema,
)
from aaiclick.api.history import schema_history
from aaiclick.clients.opening import open_url
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.lease.owner import Owner, this_process
from aaiclick.routine import Command, Effect
from aaiclick.specs.schema import SchemaObject
from aaiclick.version import VERSION
from tests.cluster.conftest import ClusterFactory
from tests.cluster.rig.host import Host
from tests.cluster.rig.pool import AnyCluster
from tests.reliability.driving import Driver, KilledError

OBJECTS = """
SELECT name, engine, toString(uuid), create_table_query FROM system.tables
WHERE database = '{database}' AND name != '_aaiclick_lease' AND name NOT LIKE '_aaiclick_lock%' ORDER BY name
"""

CLOSED = "SELECT count() FROM system.replicas WHERE endsWith(database, '{}') AND (is_readonly OR is_session_expired)"


@dataclass
class Place:
    """A database on a cluster."""

    cluster: AnyCluster
    database: str
    named: str | None

    def schema(self, version: int, objects: Sequence[SchemaObject]) -> Schema:
        return Schema("shop", version=version, objects=list(objects), cluster=self.named)

    def start(self, schema: Schema, host: int = 0, policy: Policy | None = None, **more: Any) -> Any:
        url = self.cluster.hosts[host].database_url(self.database)
        return ensure_schema(url, schema, policy or Policy.lossless(), **more)

    def shows(self) -> list[list[Any]]:
        return self.cluster.same(OBJECTS.format(database=self.database))

    def settle(self, schema: Schema, *allowed: str, host: int = 0) -> None:
        """Carry it out through one host; then it is done, for every host."""
        assert self.start(schema, host, policy=Policy.lossless().allow(*allowed)).steps
        self.is_settled(schema)

    def is_settled(self, schema: Schema) -> None:
        """Every host has the same objects and the same records, and finds nothing to do."""
        shown = self.shows()
        records = schema_history(self.cluster.hosts[0].database_url(self.database), schema)
        assert records[-1].version == schema.version
        # A plan takes ten times as long as a start: one of them, on the host that is farthest from the first.
        assert not plan_schema(self.cluster.hosts[-1].database_url(self.database), schema).steps
        for place, host in enumerate(self.cluster.hosts):
            assert schema_history(host.database_url(self.database), schema) == records
            report = self.start(schema, place)
            assert (report.steps, report.in_sync) == ((), True), host
        assert self.shows() == shown


PLACES = [
    pytest.param((1, 2, "queue"), id="1x2-queue"),
    pytest.param((1, 2, "database"), id="1x2-database"),
    pytest.param((2, 2, "queue"), id="2x2-queue"),
]
ONCE_PER_KIND = PLACES[:2]
QUEUE_FIRST = [PLACES[0], pytest.param((1, 2, "database"), id="1x2-database", marks=pytest.mark.long)]
"""The same; the second one only in the long run."""
DATABASE_FIRST = [pytest.param((1, 2, "queue"), id="1x2-queue", marks=pytest.mark.long), PLACES[1]]
"""The other way round."""
LARGE_FIRST = [*DATABASE_FIRST, PLACES[2]]
"""All of them; what holds on two shards is shown on one shard only in the long run."""


def label_of(host: Host) -> str:
    """What sentences call it."""
    return host.q(
        "SELECT concat(host_name, ':', toString(port)) FROM system.clusters WHERE is_local AND cluster = "
        "getMacro('cluster')"
    )


def place_on(aaiclick_cluster: ClusterFactory, shape: tuple[int, int, str]) -> Place:
    """A fresh database: shards, replicas, and whether it is one that all hosts have for themselves (``queue``) or a
    Replicated one (``database``)."""
    shards, copies, kind = shape
    cluster = aaiclick_cluster(shards, copies)
    if kind == "queue":
        return Place(cluster, cluster.atomic_database(), "{cluster}")
    return Place(cluster, cluster.replicated_database(), None)


def all_have_keeper(place: Place) -> bool:
    """Also for the tables of the Atomic database beside a Replicated one, whose name ends as its own does."""
    return not any(host.one(CLOSED.format(place.database)) for host in place.cluster.hosts)


def killed_at(place: Place, schema: Schema, host: int, commands: int, policy: Policy) -> bool:
    """A start whose process is killed when it has sent so many commands; False where it ended before that."""
    opened = open_url(place.cluster.hosts[host].database_url(place.database))
    try:
        Driver(opened).run(ensure(Run(schema, place.database, policy, dead(), False, VERSION)), commands)
    except KilledError:
        return True
    finally:
        opened.close()
    return False


def killed_at_exchange(place: Place, schema: Schema, number: int, policy: Policy) -> list[str]:
    """A start through the first host, killed before its exchange with this number; what it sent of them, that one
    too."""
    sent: list[str] = []

    def before(effect: Effect) -> None:
        if isinstance(effect, Command) and "EXCHANGE TABLES" in effect.sql:
            sent.append(effect.sql)
            if len(sent) == number:
                raise KilledError

    opened = open_url(place.cluster.hosts[0].database_url(place.database))
    with pytest.raises(KilledError):
        Driver(opened, before=before).run(ensure(Run(schema, place.database, policy, dead(), False, VERSION)))
    opened.close()
    return sent


def dead() -> Owner:
    """A process of this machine that has ended: nobody waits for its lease."""
    return replace(this_process(), pid=2**22 - 1, began="1")


def events(*columns: Column, **more: Any) -> Table:
    engine = MergeTree(order_by=["id"], replicated="", **more.pop("engine", {}))
    return Table("events", [Column("id", "UInt64"), *columns], engine=engine, **more)


def started_together(place: Place, numbers: Sequence[int], code: str, *arguments: str) -> list[subprocess.Popen[str]]:
    """A process for each number of a host, that runs ``code``; all of them had said that they were ready when they were
    told to go."""
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                place.cluster.hosts[number].database_url(place.database),
                place.named or "",
                *arguments,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return started
