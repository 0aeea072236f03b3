"""Distributed, Buffer and Merge tables that still have a column which their table is to lose.

The server drops it all the same. An INSERT into the Distributed table is acknowledged then, and its rows wait in files
that no shard takes any more; a Buffer table leaves the values out. So the front table loses the column first. A Merge
table may have columns that one of its tables has not: it reads a default there, and that is said.

Views and dictionaries are examined where the host that is connected to has them. Of those that stand on other hosts
only it is looked whether they name the column. What a host has that does not answer is told as not known: whoever goes
on without it has allowed that by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.clickhouse.shared.host_answers import HostAnswers, ask_hosts
from aaiclick.clickhouse.topology import Topology, named
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.buffer_merge_distributed import FRONTS, clusters_of_others, stands_before
from aaiclick.plan.dependents.dependents import ELSEWHERE, Place
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.clauses import drop_column
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.sql.tokens import TokenError, Tokens, unquote

DROP = ":drop-column:"
"""Between table and column in the id of a step that drops a column by name."""
_WHERE = f"WHERE {FRONTS} ORDER BY database, name, create_table_query"
_READING = (
    f"engine IN ('View', 'MaterializedView', 'Dictionary') AND {ELSEWHERE} AND NOT startsWith(name, {{prefix:String}})"
)
_WORD = re.compile(r"\w+")
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
    fronts, away = yield from _read(topology)
    elsewhere: Sequence[_Elsewhere] = ()
    if topology.reached:
        elsewhere, more = yield from _read_elsewhere(topology)
        away |= more
    # A Distributed table over a cluster of other servers stands before their table of that name, not before this one.
    others = yield from clusters_of_others((front.form for front in fronts), topology)
    # A front table that loses the column by a step of its own is no reason against the drop.
    going = {step.id for step in steps if not step.blocked}
    guarded = (_guarded(step, fronts, catalog.database, targets, going, others) for step in steps)
    examined = (_read_elsewhere_only(step, elsewhere, catalog.database) for step in guarded)
    return [_unseen(step, named(topology, away)) if away else step for step in examined]


def _read(topology: Topology) -> Routine[tuple[tuple[_Front, ...], frozenset[int]]]:
    """The front tables, among them each Alias, and the hosts that did not answer."""
    bound = {"prefix": PREFIX}
    tables = topology.everywhere("system.tables") if topology.reached else "system.tables"
    sql = f"SELECT DISTINCT database, name, create_table_query FROM {tables} {_WHERE}"
    looked = (
        (yield from ask_hosts(topology, sql, bound)) if topology.reached else HostAnswers((yield Query(sql, bound)))
    )
    found: list[_Front] = []
    for place, name, definition in looked.rows:
        form = split_create(text(definition), text(place))
        if isinstance(form, TableForm):
            found.append(_Front(text(place), text(name), form))
    return tuple(found), looked.away


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
    words: frozenset[str] | None
    """The words of its definition, among them all names; None where it cannot be read."""

    def may_name(self, table: str, column: str) -> bool:
        """Whether the table and the column may be meant by it. A column of a Nested is also meant by its first part."""
        if self.words is None:
            return True
        return table in self.words and not self.words.isdisjoint((column, column.partition(".")[0], "*", "COLUMNS"))


def _read_elsewhere(topology: Topology) -> Routine[tuple[tuple[_Elsewhere, ...], frozenset[int]]]:
    """Them, and the hosts that did not answer."""
    looked = yield from ask_hosts(
        topology,
        "SELECT toInt64(_shard_num), database, name, engine, create_table_query FROM "
        f"{topology.everywhere('system.tables')} WHERE {_READING} ORDER BY database, name, _shard_num",
        {"prefix": PREFIX},
    )
    # Asked by itself: not every server says which of the hosts it is.
    own = yield Query(f"SELECT database, name FROM system.tables WHERE {_READING}", {"prefix": PREFIX})
    here = {(text(row[0]), text(row[1])) for row in own}
    found: list[_Elsewhere] = []
    for place, database, name, engine, definition in looked.rows:
        if (text(database), text(name)) not in here:
            noun = {"View": "view", "MaterializedView": "materialized view"}.get(text(engine), "dictionary")
            host = topology.at(number(place)).label
            found.append(_Elsewhere(host, text(database), text(name), noun, _words(text(definition))))
    return tuple(found), looked.away


def _words(definition: str) -> frozenset[str] | None:
    try:
        tokens = Tokens(definition).items
    except TokenError:
        return None
    found = {unquote(token.text) for token in tokens}
    # A dictionary has names, and whole queries, in its strings.
    found.update(word for token in tokens if token.kind == "string" for word in _WORD.findall(unquote(token.text)))
    return frozenset(found)


def _read_elsewhere_only(step: Step, elsewhere: Sequence[_Elsewhere], database: str) -> Step:
    table, drops, column = step.id.partition(DROP)
    if not drops or step.blocked:
        return step
    for view in elsewhere:
        if view.may_name(table, column):
            name = view.name if view.database == database else f"{view.database}.{view.name}"
            return replace(
                step,
                blocked=f"the {view.noun} {name} may read or write {column}, and stands on host {view.host} and not on "
                "the one that is connected to: make it on all hosts, or drop it there",
            )
    return step


def _guarded(
    step: Step,
    fronts: Sequence[_Front],
    database: str,
    targets: Mapping[str, TableForm],
    going: Collection[str],
    others: Collection[str],
) -> Step:
    table, drops, column = step.id.partition(DROP)
    if not drops or step.blocked:
        return step
    # Through an Alias, which has no columns of its own, one stands before the table itself.
    aliases = [front for front in fronts if front.form.engine == "Alias"]
    names = [(front.database, front.name) for front in aliases if _before(front, (database, table), others)]
    for front in (front for front in fronts if front not in aliases):
        if not any(_before(front, place, others) for place in ((database, table), *names)):
            continue
        own = front.database == database
        form = targets.get(front.name, front.form) if own else front.form
        if form.column(column) is None or (own and f"{front.name}{DROP}{column}" in going):
            continue
        name = front.name if own else f"{front.database}.{front.name}"
        if front.form.engine == "Merge":
            said = (
                f"the Merge table {name} has {column} too, and shows its default for the rows of {table} from then on"
            )
            step = replace(step, hazards=(*step.hazards, Hazard("old-code-breaks", said)))
            continue
        # Only a Distributed table of this database loses it by a step.
        declared = own and front.form.engine == "Distributed"
        by_hand = alter_table(qualified(front.database, front.name), drop_column(quote_name(column)))
        way = (
            f"Take the column out of {name} first, or out of its declaration too"
            if declared
            else f"Take it out of its declaration too, if it is declared, and run where it is: {by_hand}"
        )
        return replace(
            step,
            blocked=f"the {front.form.engine} table {name} has the column too, and keeps it: "
            f"{_MEANS[front.form.engine]}. {way}",
        )
    return step


def _before(front: _Front, place: Place, others: Collection[str]) -> bool:
    return stands_before(front.form, front.database, *place, others)


def _unseen(step: Step, hosts: str) -> Step:
    if DROP not in step.id or step.blocked:
        return step
    _, _, column = step.id.partition(DROP)
    said = (
        f"host {hosts} does not answer, and nobody knows whether a Distributed or Buffer table, a view or a dictionary "
        f"there has {column}, and would fail"
    )
    return replace(step, hazards=(*step.hazards, Hazard("old-code-breaks", said)))
