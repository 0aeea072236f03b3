"""Refuses fills on clusters whose target forgets INSERTs too soon: those of a run that was killed could count twice.

The settings of the target are left as they are: with a longer memory it would drop equal INSERTs of its writers that
have to count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.insert_window import window_parameters, window_query, windows_of
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, Fill
from aaiclick.routine import Query, Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView


def with_windows(steps: Iterable[Step], schema: Schema, database: str, topology: Topology) -> Routine[tuple[Step, ...]]:
    """The steps; those blocked that fill a table which forgets too soon."""
    found: list[Step] = []
    for step in steps:
        work, refused = step.work, ""
        if isinstance(work, BackfillWork) and work.fill is not None and not step.blocked:
            refused = yield from _refusal(work.view, work.fill, schema, database, topology)
        found.append(replace(step, blocked=refused) if refused else step)
    return tuple(found)


def _refusal(view: str, fill: Fill, schema: Schema, database: str, topology: Topology) -> Routine[str]:
    target = fill.target or f"the table of {view}"
    rows = yield from rows_or_refusal(Query(window_query(topology), window_parameters(database, fill.target), LOOK))
    window = windows_of(rows, _declared(fill.target or view, schema)) if rows is not None else None
    if window is None:
        return (
            f"nobody can tell for how long {target} remembers INSERTs: this user may not read "
            "system.replicated_merge_tree_settings on every host"
        )
    return "" if window.reliable else window.refusal(target, view)


def _declared(name: str, schema: Schema) -> Settings:
    """Settings of a table that is not there yet, or that a view will own."""
    item = next((each for each in schema.objects if each.name == name), None)
    engine = item.engine if isinstance(item, Table | MaterializedView) else None
    settings = engine.settings if engine is not None else {}
    return tuple((key, str(value)) for key, value in settings.items() if value is not None)
