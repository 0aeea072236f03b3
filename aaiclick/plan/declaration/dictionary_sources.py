"""What a dictionary over this server asks its source, as queries that are tried in scratch.

The engine creates any dictionary. A table, or a column of it, that is not there is told at the first load: when other
objects are made already.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from aaiclick.catalog.forms import DictionaryForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import sentence
from aaiclick.error_codes import (
    NO_SUCH_COLUMN_IN_TABLE,
    SYNTAX_ERROR,
    UNKNOWN_DATABASE,
    UNKNOWN_IDENTIFIER,
    UNKNOWN_TABLE,
)
from aaiclick.errors import SpecError, StatementError
from aaiclick.plan.declaration.dictionaries import HERE
from aaiclick.plan.declaration.expressions import query_columns
from aaiclick.plan.dependents.dictionaries import clickhouse_source, query_of
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_dictionary_sql
from aaiclick.specs.views import Dictionary, View
from aaiclick.sql.quoting import quote_name

_WRONG = (NO_SUCH_COLUMN_IN_TABLE, SYNTAX_ERROR, UNKNOWN_DATABASE, UNKNOWN_IDENTIFIER, UNKNOWN_TABLE)
"""Other errors may be about rights, or about something that is out of reach at the moment."""
_ELSEWHERE = re.compile(r"\b(FROM|JOIN)\s+\w+\s*\(", re.IGNORECASE)
_MARK = "~source"


def source_view(item: Dictionary, database: str) -> View | None:
    """The query that the dictionary sends, as a view; None where it is not sent to this server, or not known.

    Raises ``SpecError`` where it says neither TABLE nor QUERY.
    """
    said = clickhouse_source(item.source)
    # With a port, or a named collection, it may be another server.
    if not said or said.get("HOST", "") not in HERE or said.keys() & {"PORT", "NAME", "CONFIG"}:
        return None
    if not said.get("TABLE") and not said.get("QUERY"):
        raise SpecError(f"dictionary {item.name}: source", "it says neither TABLE nor QUERY")
    form = split_create(create_dictionary_sql(item, database), database)
    query = query_of(form, database) if isinstance(form, DictionaryForm) else ""
    # A table function may ask another server, which is not waited for.
    if not query or _ELSEWHERE.search(query):
        return None
    if said.get("UPDATE_FIELD") and "QUERY" not in said:
        field = quote_name(said["UPDATE_FIELD"])
        query = f"{query}{' AND' if said.get('WHERE') else ' WHERE'} {field} = {field}"
    return View(f"{item.name}{_MARK}", query=query)


def is_source(view: View) -> bool:
    """True for the query of a dictionary."""
    return view.name.endswith(_MARK)


def refused_source(scratch: Scratch, view: View, error: StatementError) -> None:
    """Raise ``SpecError`` where the engine says that something it names is not there."""
    if error.code in _WRONG:
        said = sentence(scratch, error).partition(": While processing")[0]
        raise SpecError(f"dictionary {view.name.removesuffix(_MARK)}", f"its source cannot be read: {said}")


def require_columns(scratch: Scratch, items: Sequence[Dictionary], made: Collection[str]) -> Routine[None]:
    """Raise ``SpecError`` where a QUERY yields another number of columns: they are taken in the order of the
    attributes."""
    for item in items:
        name = f"{item.name}{_MARK}"
        if name not in made or "QUERY" not in clickhouse_source(item.source):
            continue
        found = yield from query_columns(f"SELECT * FROM {scratch.sql_name(name)}")
        if found is not None and len(found) != len(item.columns):
            problem = f"its QUERY yields {len(found)} columns, and {len(item.columns)} attributes are declared"
            raise SpecError(f"dictionary {item.name}", problem)
