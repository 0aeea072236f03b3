"""Hosts that join a Replicated database while something is begun there: a mark knows a host by its place in the
cluster, and has to be read by the places of now.

The log of the database brings the tables to such a host, with the UUIDs, constraints and settings of the others, and
whatever is sent behind that. So what was begun on the others is undone, or brought to its end, on that host with them.
One in a shard that was not there is another matter once rows of each shard were counted: nobody has counted its own.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.clickhouse.topology import Topology
from aaiclick.state.replicated.backfill_mark import ReplicatedBackfillMark
from aaiclick.state.replicated.mark import ReplicatedMark


def labels_of_hosts(topology: Topology) -> tuple[str, ...]:
    """What its hosts are called, as marks have them."""
    return tuple(host.label for host in topology.hosts)


def joined_since(hosts: tuple[str, ...], topology: Topology) -> tuple[str, ...]:
    """The hosts that are new since these were all; none where one of these is gone, which may come back."""
    labels = labels_of_hosts(topology)
    return tuple(label for label in labels if label not in hosts) if set(hosts) <= set(labels) else ()


def copy_with_joined(mark: ReplicatedMark, topology: Topology) -> ReplicatedMark | None:
    """The mark of a copy with the hosts of now; None where it cannot be gone on with on those."""
    labels = labels_of_hosts(topology)
    if not _goes_on(mark.hosts, mark.sources, topology, undone=mark.phase == "copy"):
        return None
    defined = dict(zip(mark.hosts, mark.defined, strict=False)) if len(mark.defined) > 1 else {}
    return replace(
        mark,
        hosts=labels,
        sources=mark.sources[:1] * len(labels),
        # Of a host that is new nobody has looked at it.
        defined=tuple(defined.get(label, "") for label in labels) if defined else mark.defined,
    )


def feed_with_joined(mark: ReplicatedBackfillMark, topology: Topology) -> ReplicatedBackfillMark | None:
    """The same of a view that is put in place."""
    labels = labels_of_hosts(topology)
    if not all(_goes_on(mark.hosts, each, topology, undone=mark.phase == "closing") for each in mark.sources):
        return None
    stage = mark.stage
    if stage is not None:
        # In the order of the cluster the new host may stand before it.
        stage = replace(stage, place=labels.index(mark.hosts[stage.place - 1]) + 1)
    return replace(mark, hosts=labels, sources=tuple(each[:1] * len(labels) for each in mark.sources), stage=stage)


def _goes_on(hosts: tuple[str, ...], uuids: tuple[str, ...], topology: Topology, *, undone: bool) -> bool:
    # Only the log of a database gives a host the storages of the others, all with one UUID.
    if topology.kind != "database" or len(set(uuids)) != 1 or not joined_since(hosts, topology):
        return False
    known = {host.shard for host in topology.hosts if host.label in hosts}
    return undone or known == {host.shard for host in topology.hosts}
