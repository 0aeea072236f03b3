"""Reads everything that depends on tables with one query: views, dictionaries, and tables in front of others."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aaiclick.catalog.forms import DictionaryForm, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.clickhouse.topology import LOOK, SINGLE, Topology
from aaiclick.plan.dependents.buffer_merge_distributed import ALIASES, FRONTS, clusters_of_others, front_dependents
from aaiclick.plan.dependents.dependents import (
    ELSEWHERE,
    VIEWS,
    Dependent,
    into_tables,
    places_named,
    reached_from,
    view_dependent,
)
from aaiclick.plan.dependents.dictionaries import ANY_DICTIONARY, dictionary_dependent
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed_list

_NAMES = "database, name, engine, toString(uuid)"
_TEXTS = "create_table_query, as_select"
_Row = tuple[str, ...]
"""Those of an object, in this order."""
_PARTS = (f"{VIEWS} AND {ELSEWHERE}", ANY_DICTIONARY, FRONTS)
"""Each is a statement of its own within the one: only so the server sorts tables out by their engine before it writes
their definitions."""


Reader = tuple[str, str, str]
"""Database, name and UUID of what may read or feed tables."""


def read_dependents(
    database: str,
    following: Mapping[str, TableForm | DictionaryForm | None],
    topology: Topology = SINGLE,
    seen: set[Reader] | None = None,
) -> Routine[tuple[Dependent, ...]]:
    """All views and dictionaries of the server, and the other objects that read one of these tables.

    ``following``: the tables as they will be; ``topology``: the hosts that have them; ``seen`` gets everything that was
    looked at, on whatever host.
    """
    by_host = yield from _rows(database, following, topology, others="'', ''")
    if seen is not None:
        seen |= {_reader(row) for rows in by_host.values() for row in rows}
    return (yield from _dependents(by_host[0], database, following, topology))


def _rows(
    database: str, following: Collection[str], topology: Topology, others: str = _TEXTS
) -> Routine[dict[int, list[_Row]]]:
    """What may read or feed these tables on each host that answers, by its place; on the one that is connected to under
    0. ``others``: the texts that are asked of all hosts."""
    parts = [f"SELECT toInt64(0), {_NAMES}, {_TEXTS} FROM system.tables WHERE {part}" for part in _PARTS]
    if topology.reached:
        # In the same question: an ALTER goes to all hosts, and meets what one of them alone has.
        everywhere = topology.everywhere("system.tables")
        parts += [f"SELECT toInt64(_shard_num), {_NAMES}, {others} FROM {everywhere} WHERE {part}" for part in _PARTS]
    bound: dict[str, str | int] = {"prefix": PREFIX, "database": database, "names": hexed_list(following)}
    rows = yield Query(" UNION ALL ".join(parts), bound, LOOK if topology.reached else {})
    found: dict[int, list[_Row]] = {0: []}
    # UNION ALL gives its parts in any order, and a plan has to come out the same each time.
    for place, row in sorted((number(row[0]), tuple(text(value) for value in row[1:])) for row in rows):
        found.setdefault(place, []).append(row)
    return found


def _reader(row: _Row) -> Reader:
    return row[0], row[1], row[3]


def _dependents(
    rows: Collection[_Row],
    database: str,
    following: Mapping[str, TableForm | DictionaryForm | None],
    topology: Topology,
) -> Routine[tuple[Dependent, ...]]:
    views: list[Dependent] = []
    dictionaries: list[Dependent] = []
    fronts: list[tuple[str, str, TableForm, str, str]] = []
    for place, name, engine, uuid, definition, query in rows:
        if engine in ("View", "MaterializedView"):
            views.append(view_dependent(place, name, engine, definition, query, uuid))
        # The server calls a table in front of a dictionary by the same engine.
        elif isinstance(form := split_create(definition, place), TableForm):
            fronts.append((place, name, form, definition, uuid))
        elif engine == "Dictionary":
            dictionaries.append(dictionary_dependent(place, name, definition, uuid))
    elsewhere = yield from clusters_of_others((each[2] for each in fronts), topology)
    # Each of them may stand in front of any other, and a Merge table in front of all that its pattern matches.
    others = {(row[0], row[1]) for row in rows}
    reading = (front_dependents(*each, database, following, elsewhere, others) for each in fronts)
    return into_tables((*views, *dictionaries, *(each for found in reading for each in found)))


def read_views(database: str, names: Collection[str] | None = None) -> Routine[tuple[Dependent, ...]]:
    """Every view of the server, or only those of ``database`` with one of the names; and all Alias tables, through
    which one may read or write."""
    views, parameters = VIEWS, dict[str, "str | int"](prefix=PREFIX)
    if names is not None:
        views += " AND database = {database:String}"
        views += " AND has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name)"
        parameters |= {"database": database, "names": hexed_list(names)}
    rows = yield Query(
        f"SELECT {_NAMES}, {_TEXTS} FROM system.tables WHERE ({views} OR {ALIASES}) AND {ELSEWHERE} ORDER BY database, "
        "name",
        parameters,
    )
    return (yield from _dependents([tuple(text(value) for value in row) for row in rows], database, {}, SINGLE))


def new_readers(
    database: str, table: str, known: Collection[Reader], own: Collection[str], topology: Topology
) -> Routine[tuple[str, ...]]:
    """What reads or feeds a table, directly or through others, and was not there when the plan looked, on whatever
    host: what each is and what it is called. ``own``: names of objects that the plan itself makes or changes."""
    looked_at, said = set(known), list[str]()
    for place, rows in sorted((yield from _rows(database, {table}, topology)).items()):
        # What hosts have in common is there under one UUID: mostly no other host has anything of its own.
        if looked_at.issuperset(_reader(row) for row in rows):
            continue
        dependents = yield from _dependents(rows, database, {table: None}, topology)
        reading = [(each.place, (*places_named(each.query), each.target or each.place)) for each in dependents]
        reached = reached_from([(database, table)], reading)
        where = f" on host {topology.at(place).label}" if place else ""
        said += [
            f"{each.noun} {each.name if each.database == database else '.'.join(each.place)}{where}"
            for each in dependents
            if each.place in reached and (*each.place, each.uuid) not in looked_at and not _of_plan(each, database, own)
        ]
        looked_at |= {_reader(row) for row in rows}
    return tuple(said)


def _of_plan(each: Dependent, database: str, own: Collection[str]) -> bool:
    return (each.database == database and each.name in own) or ".".join(each.place) in own
