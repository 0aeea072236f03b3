"""Refuses databases with replicas that cannot be reached: records and the lease would be local tables, and runs on
different nodes would not see each other. Pure."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.topology import SINGLE, Kind, Topology
from aaiclick.diff.hazards import ONE_NODE
from aaiclick.errors import HazardNotAllowedError
from aaiclick.printable import count_text

SUPPORTED: frozenset[Kind] = frozenset({"queue", "database"})
"""Kinds of clusters on which changes are carried out."""


def unsupported(catalog: Catalog, allowed: Collection[str], topology: Topology) -> str:
    """``several``, where nothing is changed because of it; '' where every host is reached."""
    return "" if topology.kind in SUPPORTED and topology.hosts else several(catalog, allowed, topology)


def several(catalog: Catalog, allowed: Collection[str], topology: Topology = SINGLE) -> str:
    """What has, or may have, more than one replica, in words; '' for nothing, or where ``one-node`` is allowed."""
    if ONE_NODE in allowed:
        return ""
    if topology.kind == "queue":
        return f"database {catalog.database} is on {topology.words}"
    if catalog.replicas > 1:
        return f"database {catalog.database} has {count_text(catalog.replicas, 'replica')}"
    if catalog.replicas < 0:
        return (
            f"database {catalog.database} is replicated ({catalog.database_engine}), and nothing tells to how many "
            "nodes"
        )
    found = [live for live in catalog.objects.values() if live.replicas > 1]
    if not found:
        return ""
    more = f", as {len(found) - 1} more of its schema have" if len(found) > 1 else ""
    if found[0].engine.startswith("Shared"):
        return f"{found[0].name} is there for other replicas as well ({found[0].engine}){more}"
    return f"{found[0].name} has {count_text(found[0].replicas, 'replica')}{more}"


def note_of(words: str) -> str:
    """The note of a plan about it."""
    return (
        f"{words}: a start changes nothing there, unless '{ONE_NODE}' is allowed by somebody who knows that there is "
        "only one node"
    )


def refusal(
    schema: str, words: str, differences: Collection[str], command: str = "aaiclick migrate"
) -> HazardNotAllowedError:
    """The error: nothing was changed, why, and what is left to do."""
    why = "lease and records are kept by the node that one happens to talk to, so two starts would not see each other"
    left = f". To do: {'; '.join(differences)}" if differences else ""
    return HazardNotAllowedError(
        schema,
        (f"{words}, and {why}. Nothing was changed{left}. It can be allowed if there is only one node",),
        (ONE_NODE,),
        command,
    )
