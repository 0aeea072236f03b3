"""Refreshable views on hosts that refresh by themselves. Pure.

Only a Replicated database sees to it that one host refreshes for all. Elsewhere each host does: what it puts in place
of a replicated target the other replicas would not see (the server refuses that, 36), and what it appends comes from
every replica once.
"""

from __future__ import annotations

from aaiclick.catalog.render import target_parts
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.model import Step
from aaiclick.printable import count_text
from aaiclick.specs.engines import AnyEngine, MergeTree, ReplacingMergeTree
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView

_WAY = (
    "a Replicated database has one host refresh for all of them, and of rows that are appended (APPEND) to a "
    "ReplacingMergeTree one of each sort key stays"
)


def refresh_refusal(step: Step, schema: Schema, topology: Topology) -> str:
    """Why a step that makes a refreshable view is not carried out on these hosts; '' where it is."""
    if topology.kind != "queue" or step.strategy not in ("create", "replace"):
        return ""
    view = next((item for item in schema.objects if item.name == step.object), None)
    if not isinstance(view, MaterializedView) or view.refresh is None:
        return ""
    target, engine = _target(view, schema)
    if not isinstance(engine, MergeTree) or engine.replicated is None:
        return ""
    # Without APPEND a refresh fills a new table and exchanges it by name: a local matter of that host.
    if "APPEND" not in view.refresh.upper().split():
        return (
            f"a refresh replaces {target} on one host, and its other replicas would not see it, so the server refuses "
            f"the view: {_WAY}"
        )
    if topology.replicas > 1 and not isinstance(engine, ReplacingMergeTree):
        return (
            f"each of {count_text(topology.replicas, 'replica')} refreshes by itself, and {target} would get "
            "every row from each of "
            f"them: {_WAY}"
        )
    return ""


def _target(view: MaterializedView, schema: Schema) -> tuple[str, AnyEngine | None]:
    """What is refreshed, with its engine as far as this schema declares it."""
    if view.to is None:
        return "its table", view.engine
    database, name = target_parts(view.to)
    found = next((item for item in schema.objects if item.name == name), None)
    known = database is None and isinstance(found, Table)
    return name, found.engine if known and isinstance(found, Table) else None
