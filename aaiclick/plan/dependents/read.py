"""Reads everything that depends on tables with one query: views, dictionaries, and Buffer, Merge and Distributed
tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aaiclick.catalog.forms import DictionaryForm, TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.plan.dependents.buffer_merge_distributed import FRONTS, clusters_of_others, front_dependents
from aaiclick.plan.dependents.dependents import ELSEWHERE, VIEWS, Dependent, places_named, reached_from, view_dependent
from aaiclick.plan.dependents.dictionaries import ANY_DICTIONARY, dictionary_dependent
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed_list

_COLUMNS = "database, name, engine, create_table_query, as_select, toString(uuid)"
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
    looked at.
    """
    sql = " UNION ALL ".join(f"SELECT {_COLUMNS} FROM system.tables WHERE {part}" for part in _PARTS)
    rows = yield Query(sql, {"prefix": PREFIX, "database": database, "names": hexed_list(following)})
    views: list[Dependent] = []
    dictionaries: list[Dependent] = []
    fronts: list[tuple[str, str, TableForm, str, str]] = []
    # UNION ALL gives its parts in any order, and a plan has to come out the same each time.
    for row in sorted(tuple(text(value) for value in row) for row in rows):
        place, name, engine, definition, query, uuid = row
        if seen is not None:
            seen.add((place, name, uuid))
        if engine in ("View", "MaterializedView"):
            views.append(view_dependent(place, name, engine, definition, query, uuid))
        elif engine == "Dictionary":
            dictionaries.append(dictionary_dependent(place, name, definition, uuid))
        elif isinstance(form := split_create(definition, place), TableForm):
            fronts.append((place, name, form, definition, uuid))
    elsewhere = yield from clusters_of_others((each[2] for each in fronts), topology)
    reading = (front_dependents(*each, database, following, elsewhere) for each in fronts)
    return (*views, *dictionaries, *(each for found in reading for each in found))


def new_readers(
    database: str, table: str, known: Collection[Reader], own: Collection[str], topology: Topology
) -> Routine[tuple[str, ...]]:
    """What reads or feeds a table, directly or through others, and was not there when the plan looked: what each is and
    what it is called. ``own``: names of objects that the plan itself makes or changes."""
    dependents = yield from read_dependents(database, {table: None}, topology)
    reading = [(each.place, (*places_named(each.query), each.target or each.place)) for each in dependents]
    reached = reached_from([(database, table)], reading)
    return tuple(
        f"{each.noun} {each.name if each.database == database else '.'.join(each.place)}"
        for each in dependents
        if each.place in reached and (*each.place, each.uuid) not in known and not _of_plan(each, database, own)
    )


def _of_plan(each: Dependent, database: str, own: Collection[str]) -> bool:
    return (each.database == database and each.name in own) or ".".join(each.place) in own
