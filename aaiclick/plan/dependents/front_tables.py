"""Tables that stand in front of others and have a list of columns of their own: Buffer, Merge, Distributed. They convert to it at every read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import PREFIX
from aaiclick.plan.dependents.dependents import Dependent
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import TokenError, Tokens, split_top, unquote

_DATABASE_AT = {"Buffer": 0, "Merge": 0, "Distributed": 1}


def read_front_tables(database: str, names: Collection[str], following: Mapping[str, TableForm | None]) -> Routine[tuple[Dependent, ...]]:
    """Those of the server that stand in front of one of these tables of ``database``. ``following``: tables of the database as they will be."""
    rows = yield Query(
        "SELECT database, name, create_table_query, toString(uuid) FROM system.tables WHERE engine IN ('Buffer', 'Merge', 'Distributed')"
        " AND database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') AND NOT startsWith(database, {prefix:String})"
        " AND NOT startsWith(name, {prefix:String}) ORDER BY database, name",
        {"prefix": PREFIX},
    )
    found: list[Dependent] = []
    for row in rows:
        place, name, definition, uuid = (text(value) for value in row)
        form = split_create(definition, place)
        if not isinstance(form, TableForm):
            continue
        columns = (following.get(name) or form).columns if place == database else form.columns
        noun = f"{form.engine} table"
        for table in sorted(names):
            if (place, name) != (database, table) and _before(form, place, database, table):
                found.append(Dependent(place, name, definition, f"SELECT * FROM {qualified(database, table)}", columns, None, uuid, noun))
    return tuple(found)


def _before(form: TableForm, own: str, database: str, table: str) -> bool:
    """Whether the arguments of its engine name the table."""
    try:
        arguments = split_top(form.arguments)
    except TokenError:
        return False
    first = _DATABASE_AT[form.engine]
    if len(arguments) < first + 2:
        return False
    where, what = arguments[first], unquote(arguments[first + 1])
    pattern = Tokens(where)
    if form.engine == "Merge":
        regular = pattern.is_word(0, "REGEXP") and len(pattern) == 4
        there = _matches(unquote(pattern.items[2].text), database) if regular else (unquote(where) or own) == database or where.startswith("currentDatabase")
        return there and _matches(what, table)
    return (unquote(where) or own) == database and what == table


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False
