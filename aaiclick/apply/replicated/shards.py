"""The shards of a table that is copied: each has rows of its own, and one of its hosts, the worker, does what is done
once for a shard.

What a table's log carries reaches the hosts of one shard only, so it is sent to the worker of each. Where there is one
shard that is the host that is connected to, and no host is asked by itself for it. A Replicated database takes an ALTER
to every shard by a log of its own: there it is sent once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aaiclick.clickhouse.background_inserts import BackgroundInserts
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.replicas import Placed
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Peer, Query, Routine, Rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """A table on the hosts of one shard."""

    number: int
    """Of the shard, from 1."""
    reach: Reach
    """Its hosts, and no others; ``here`` is the worker."""
    source: Physical
    """The table, as the worker has it."""
    peer: Peer | None = None
    """How the worker is reached by itself; None: it is the host that is connected to."""

    @property
    def worker(self) -> int:
        """The place of the host that does what is done once for the shard."""
        return self.reach.here


@dataclass(frozen=True, slots=True)
class Replicas:
    """A replicated table that can be copied, and the hosts that take part."""

    reach: Reach
    """The hosts."""
    source: Physical
    """The table, as the host has it that is connected to."""
    sources: tuple[str, ...]
    """Its storage on every host, in the order of the cluster."""
    peers: Mapping[int, Peer]
    """How each host is reached by itself; empty where they are not, and need not be."""
    background_inserts: BackgroundInserts
    """What brings rows into the table by itself."""
    shards: tuple[Shard, ...]
    """The table in every shard, each with the host that copies; every host, where it is not replicated yet."""
    copies: tuple[Shard, ...]
    """The hosts that will have the same rows: those of each shard."""
    there: Mapping[int, Placed] = field(default_factory=dict[int, Placed])
    """The table, as each host showed it when it was looked at."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the hosts are called in sentences, in the order of the cluster."""
        return tuple(host.label for host in self.reach.topology.hosts)


@dataclass(frozen=True, slots=True)
class CheckedReplicas:
    """What was looked at for the first step of a plan, before it."""

    work: RebuildWork | AttachWork
    """What the step does."""
    replicas: Replicas
    """The hosts that take part."""
    at: float
    """Before the look; Unix seconds, by this machine's clock."""


def at_host(work: Routine[T], peer: Peer | None) -> Routine[T]:
    """Carry a routine out on one host, which answers its questions too. Nothing in it may be for all hosts: notes and
    records are written by the host that is connected to."""
    if peer is None:
        return (yield from work)

    def carry(effect: Effect) -> Routine[Rows]:
        # One that names a host is meant for that host.
        if isinstance(effect, Query | Command) and effect.at is None:
            effect = replace(effect, at=peer)
        return (yield effect)

    return (yield from relayed(work, carry))


def has_several_shards(reach: Reach) -> bool:
    """Whether rows are spread over more than one shard."""
    return reach.topology.shards > 1


def altered_through(shards: Sequence[Shard]) -> Sequence[Shard]:
    """The shards to whose workers an ALTER of the definition is sent, so that every shard has it once: each of them, or
    one where the database's own log takes it to the others (a second one would be an ALTER of what is there)."""
    if shards[0].reach.topology.kind != "database":
        return shards
    return [next((shard for shard in shards if shard.peer is None), shards[0])]


def workers(reach: Reach) -> Mapping[int, int]:
    """For each shard the place of its worker: the host that is connected to, where it is one of them."""
    found: dict[int, int] = {}
    for place in sorted(reach.places):
        # The first host of each shard, always: a run that goes on after a kill finds staging tables where they were
        # made.
        found.setdefault(reach.topology.at(place).shard, place)
    if reach.here:
        # What this one does needs no way to another host.
        found[reach.topology.at(reach.here).shard] = reach.here
    return found


def hosts_of_shard(reach: Reach, number: int) -> Reach:
    """The hosts of one shard, and no others."""
    others = {place for place in reach.places if reach.topology.at(place).shard != number}
    return replace(reach, here=workers(reach)[number], without=reach.without | others)


def shards_of(
    reach: Reach, database: str, name: str, uuids: Mapping[int, str], peers: Mapping[int, Peer]
) -> Routine[tuple[Shard, ...]]:
    """The table with that name in every shard. ``uuids``: its storage on each host. ``peers``: how hosts are reached;
    not looked at where there is one shard.

    Raises ApplyError where a worker has another storage under the name.
    """
    found: list[Shard] = []
    for number, worker in sorted(workers(reach).items()):
        peer = None if worker == reach.here else peers[worker]
        table = yield from at_host(require_table(database, name, uuids[worker]), peer)
        found.append(Shard(number, hosts_of_shard(reach, number), table, peer))
    return tuple(found)
