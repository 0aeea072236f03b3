"""A plan on a cluster: how its statements are sent, and which steps cannot be carried out there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aaiclick.clickhouse.every_host import SERVER_LISTS
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.clusters.copies import copy_refusal, placed_copy, several_owners, unreplicated_guards
from aaiclick.plan.clusters.fills import placed_fill
from aaiclick.plan.clusters.refreshed import refresh_refusal
from aaiclick.plan.clusters.sizes import OWN_ROWS, HostSizes
from aaiclick.plan.clusters.statements import statements_refusal
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AttachWork, BackfillWork, CallableWork, RebuildWork, SqlWork
from aaiclick.printable import count_text
from aaiclick.specs.engines import Engine, MergeTree
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.cluster import by_group, head_of, on_cluster
from aaiclick.sql.statement_kinds import statement_kind

_OF_TABLES = ("create", "alter", "mutate", "attach", "rebuild")


def on_topology(
    steps: Iterable[Step],
    schema: Schema,
    topology: Topology,
    sizes: Mapping[str, HostSizes],
    server: tuple[int, ...],
) -> tuple[Step, ...]:
    """The steps as they are carried out on these hosts: with the cluster in their statements, and blocked where they
    are not carried out there. The same steps on one host. ``sizes``: of tables that hold rows, host by host.
    ``server``: the version of the host that is connected to."""
    if topology.single:
        return tuple(steps)
    plain = {
        item.name: _way_out(item)
        for item in schema.objects
        if isinstance(item, Table | MaterializedView) and _plain(item)
    }
    shared = {item.name for item in schema.objects if isinstance(item, Table) and _replicated(item)}
    # Refreshes first: what they say is about the view itself, and more exact than what is said of any table.
    seen = (replace(step, blocked=step.blocked or refresh_refusal(step, schema, topology)) for step in steps)
    blocked = (replace(step, blocked=step.blocked or _refusal(step, topology, plain, server)) for step in seen)
    return tuple(_unasked(_placed(step, topology, sizes.get(step.object), shared)) for step in blocked)


def _unasked(step: Step) -> Step:
    """Nobody is asked to allow what is not done. A clean-up is not done without its key anyway."""
    if not step.blocked or step.optional:
        return step
    return replace(step, hazards=tuple(hazard for hazard in step.hazards if not hazard.allow))


def placed_words(topology: Topology) -> str:
    """The note of a plan about where it is carried out."""
    if topology.kind == "database":
        return f"{topology.words}; statements go by its log, and a step is done when every host shows it"
    return f"{topology.words}; statements go ON CLUSTER, and a step is done when every host shows it"


def _placed(step: Step, topology: Topology, sizes: HostSizes | None, shared: set[str]) -> Step:
    blocked = step.blocked
    if isinstance(step.work, BackfillWork):
        return placed_fill(step, topology)
    # Statements of a migration are SQL that somebody wrote: each is judged by what it does.
    if isinstance(step.work, SqlWork) and not blocked:
        blocked = statements_refusal(step.work.statements, topology, shared)
    if isinstance(step.work, RebuildWork | AttachWork):
        shards: Mapping[int, tuple[int, int]] = {}
        if sizes is not None and topology.shards > 1:
            shards = sizes.shards(topology)
        owners = sizes.owners(topology) if sizes is not None and not sizes.replicated else None
        blocked = blocked or several_owners(step.object, topology, owners or {})
        if owners is not None:
            blocked = blocked or unreplicated_guards(step.object, step.work)
        return replace(placed_copy(step, topology, shards, owners), blocked=blocked)
    rows = isinstance(step.work, SqlWork)
    lines = [line for sql in step.sql for line in _lines(sql, topology, once=rows and statement_kind(sql) == "rows")]
    return replace(step, sql=lines, blocked=blocked)


def _lines(sql: str, topology: Topology, *, once: bool = False) -> Sequence[str]:
    """How a statement is sent. What changes rows goes to one host, and its replicas follow."""
    head = None if once or sql.startswith("--") else head_of(sql)
    if head is None:
        return (sql,)
    parts = by_group(sql)
    # The log of a Replicated database takes its own DDL to all hosts. Functions, collections and SYSTEM are none of it.
    if topology.kind == "queue" or head.kind in SERVER_LISTS or head.verb == "SYSTEM":
        return [on_cluster(part, topology.cluster) for part in parts]
    return parts


def _refusal(step: Step, topology: Topology, plain: Mapping[str, str], server: tuple[int, ...]) -> str:
    """Why a step is not carried out on these hosts; '' where it is."""
    name, work = step.object, step.work
    if isinstance(work, CallableWork) and topology.shards > 1:
        return (
            f"{name}: its function sends statements of its own to the host that is connected to, which has the rows of "
            "its own shard only: do it by hand, on all hosts"
        )
    if name in plain and topology.replicas > 1 and step.strategy in _OF_TABLES:
        each = f"each of its {count_text(topology.replicas, 'replica')} would hold other rows"
        return f"{name} is not replicated, and {each}: {plain[name]}"
    if isinstance(work, RebuildWork | AttachWork):
        return copy_refusal(name, work, topology, server)
    return ""


def _replicated(item: Table) -> bool:
    if isinstance(item.engine, MergeTree):
        return item.engine.replicated is not None
    return item.engine.name.startswith(("Replicated", "Shared")) and item.engine.name.endswith("MergeTree")


def _way_out(item: Table | MaterializedView) -> str:
    """What to declare in place of a table that is not replicated."""
    if isinstance(item.engine, Engine) and item.engine.name in OWN_ROWS:
        return f"a table of engine {item.engine.name} cannot be replicated; declare it as MergeTree with replicated=''"
    return "declare it with replicated=''"


def _plain(item: Table | MaterializedView) -> bool:
    """True for an object that holds rows of its own in tables that are not replicated."""
    if isinstance(item.engine, MergeTree):
        return item.engine.replicated is None
    if not isinstance(item.engine, Engine):
        return False  # a view that writes into a table of its own declaration
    name = item.engine.name
    return name in OWN_ROWS or (name.endswith("MergeTree") and not name.startswith(("Replicated", "Shared")))
