"""Distributed and Buffer tables that still have a column which their table is to lose.

The server drops it all the same. An INSERT into the Distributed table is acknowledged then, and its rows wait in files
that no shard takes any more; a Buffer table leaves the values out. So the front table loses the column first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.clickhouse.shared.looks import ask_hosts
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.dependents.buffer_merge_distributed import stands_before
from aaiclick.plan.dependents.dependents import ELSEWHERE
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Routine, text

DROP = ":drop-column:"
"""Between table and column in the id of a step that drops a column by name."""
_WHERE = (
    f"WHERE engine IN ('Buffer', 'Distributed') AND {ELSEWHERE} AND NOT startsWith(name, {{prefix:String}}) ORDER BY "
    "database, name, create_table_query"
)
_MEANS = {
    "Distributed": "what is inserted into it would be refused there, and what waits in its files for ever",
    "Buffer": "the values that it takes would be left out",
}


@dataclass(frozen=True, slots=True)
class _Front:
    database: str
    name: str
    form: TableForm


def guard_fronts(
    steps: Sequence[Step], catalog: Catalog, targets: Mapping[str, TableForm], topology: Topology
) -> Routine[list[Step]]:
    """The optional steps; the drop of a column is blocked where a front table on any host has it and keeps it.
    ``targets``: the tables that differ, as they are before the drops."""
    if not any(DROP in step.id and not step.blocked for step in steps):
        return list(steps)
    fronts = yield from _read(topology)
    going = {step.id for step in steps if not step.blocked}
    return [_guarded(step, fronts, catalog.database, targets, going) for step in steps]


def _read(topology: Topology) -> Routine[tuple[_Front, ...]]:
    bound = {"prefix": PREFIX}
    tables = topology.everywhere("system.tables") if topology.reached else "system.tables"
    sql = f"SELECT DISTINCT database, name, create_table_query FROM {tables} {_WHERE}"
    rows = (yield from ask_hosts(topology, sql, bound)).rows if topology.reached else (yield Query(sql, bound))
    found: list[_Front] = []
    for place, name, definition in rows:
        form = split_create(text(definition), text(place))
        if isinstance(form, TableForm):
            found.append(_Front(text(place), text(name), form))
    return tuple(found)


def _guarded(
    step: Step, fronts: Sequence[_Front], database: str, targets: Mapping[str, TableForm], going: Collection[str]
) -> Step:
    table, drops, column = step.id.partition(DROP)
    if not drops or step.blocked:
        return step
    for front in fronts:
        if not stands_before(front.form, front.database, database, table):
            continue
        own = front.database == database
        form = targets.get(front.name, front.form) if own else front.form
        if form.column(column) is None or (own and f"{front.name}{DROP}{column}" in going):
            continue
        name = front.name if own else f"{front.database}.{front.name}"
        return replace(
            step,
            blocked=f"the {front.form.engine} table {name} has the column too, and keeps it: "
            f"{_MEANS[front.form.engine]}. Take the column out of {name} first, or out of its declaration too",
        )
    return step
