"""Distributed and Buffer tables that still have a column which their table is to lose.

The server drops it all the same. An INSERT into the Distributed table is acknowledged then, and its rows wait in files
that no shard takes any more; a Buffer table leaves the values out. So the front table loses the column first.

Views and dictionaries are examined where the host that is connected to has them. Of those that stand on other hosts
only it is looked whether they name the column.
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
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.tokens import TokenError, Tokens, unquote

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
    elsewhere = (yield from _read_elsewhere(topology)) if topology.local else ()
    going = {step.id for step in steps if not step.blocked}
    guarded = (_guarded(step, fronts, catalog.database, targets, going) for step in steps)
    return [_read_elsewhere_only(step, elsewhere, catalog.database) for step in guarded]


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


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A view or dictionary that the host that is connected to has not."""

    host: str
    """The first host that has it."""
    database: str
    """Its database."""
    name: str
    """Its name."""
    noun: str
    """What it is, for people."""
    words: frozenset[str]
    """The words of its definition, among them all names."""


def _read_elsewhere(topology: Topology) -> Routine[tuple[_Elsewhere, ...]]:
    looked = yield from ask_hosts(
        topology,
        "SELECT toInt64(_shard_num), database, name, engine, create_table_query FROM "
        f"{topology.everywhere('system.tables')} WHERE engine IN ('View', 'MaterializedView', 'Dictionary') AND "
        f"{ELSEWHERE} AND NOT startsWith(name, {{prefix:String}}) ORDER BY database, name, _shard_num",
        {"prefix": PREFIX},
    )
    here = {(text(row[1]), text(row[2])) for row in looked.rows if number(row[0]) == topology.local}
    found: list[_Elsewhere] = []
    for place, database, name, engine, definition in looked.rows:
        if (text(database), text(name)) not in here:
            noun = {"View": "view", "MaterializedView": "materialized view"}.get(text(engine), "dictionary")
            host = topology.at(number(place)).label
            found.append(_Elsewhere(host, text(database), text(name), noun, _words(text(definition))))
    return tuple(found)


def _words(definition: str) -> frozenset[str]:
    try:
        return frozenset(unquote(token.text) for token in Tokens(definition).items)
    except TokenError:
        return frozenset()


def _read_elsewhere_only(step: Step, elsewhere: Sequence[_Elsewhere], database: str) -> Step:
    table, drops, column = step.id.partition(DROP)
    if not drops or step.blocked:
        return step
    for view in elsewhere:
        if table in view.words and not view.words.isdisjoint((column, "*")):
            name = view.name if view.database == database else f"{view.database}.{view.name}"
            return replace(
                step,
                blocked=f"the {view.noun} {name} may read or write {column}, and stands on host {view.host} and not on "
                "the one that is connected to: make it on all hosts, or drop it there",
            )
    return step


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
