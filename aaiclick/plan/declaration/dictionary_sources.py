"""What a dictionary over this server asks its source, as queries that are tried in scratch.

The engine creates any dictionary. A table, or a column of it, that is not there is told at the first load: when other
objects are made already.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence

from aaiclick.catalog.forms import DictionaryForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import make, sentence
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.error_codes import (
    ACCESS_DENIED,
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
from aaiclick.printable import count_text, count_that
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.ddl import create_dictionary_sql
from aaiclick.specs.views import Dictionary, View
from aaiclick.sql.database_prefix import strip_database
from aaiclick.sql.ddl import create_view
from aaiclick.sql.quoting import quote_name

_WRONG = (NO_SUCH_COLUMN_IN_TABLE, SYNTAX_ERROR, UNKNOWN_DATABASE, UNKNOWN_IDENTIFIER, UNKNOWN_TABLE)
"""Other errors may be about rights, or about something that is out of reach at the moment."""
_ELSEWHERE = re.compile(r"\b(FROM|JOIN)\s+\w+\s*\(", re.IGNORECASE)
_MARK = "~source"
_UNKNOWN = re.compile(r"(?:identifier '|\bTable )([^']+?)(?:'| does(?:n't| not) exist)")
_USER = "default"
"""As whom a source reads that says no USER."""


def source_homes(items: Sequence[Dictionary], database: str) -> Routine[dict[str, str]]:
    """Where the server looks for what the source of a dictionary names without a database, by the dictionary's name.

    That is the default database of the source's user, else that of the server, whatever DB says. Left out: those whose
    source names no such thing, or where it is ``database`` or cannot be told.
    """
    users = {
        item.name: said.get("USER") or _USER for item in items if _says_more(said := clickhouse_source(item.source))
    }
    if not users:
        return {}
    server = yield from _value("SELECT value FROM system.server_settings WHERE name = 'default_database'", {})
    own: dict[str, str] = {}
    for user in sorted(set(users.values())):
        sql = "SELECT toString(default_database) FROM system.users WHERE name = {user:String}"
        found = yield from _value(sql, {"user": user})
        # Who may not see the users knows nothing of one; "default" has no database of its own as the server comes.
        own[user] = found or ("" if found is None and user != _USER else server or "")
    return {name: own[user] for name, user in users.items() if own[user] not in ("", database)}


def _says_more(said: Mapping[str, str]) -> bool:
    return _is_here(said) and (bool(said.get("QUERY") or said.get("WHERE")) or said.get("DB") == "")


def _is_here(said: Mapping[str, str]) -> bool:
    # With a port, or a named collection, it may be another server.
    return bool(said) and said.get("HOST", "") in HERE and not said.keys() & {"PORT", "NAME", "CONFIG"}


def _value(sql: str, parameters: Mapping[str, str]) -> Routine[str | None]:
    """The one value that is asked for; '' where there is none, None where the user may not see it."""
    rows = yield from rows_or_refusal(Query(sql, parameters))
    if rows is None:
        return None
    return text(rows[0][0]) if rows else ""


def source_view(item: Dictionary, database: str, home: str = "") -> View | None:
    """The query that the dictionary sends, as a view; None where it is not sent to this server, or not known.

    ``home``: where the server looks for names without a database, if that is not ``database``.

    Raises ``SpecError`` where it says neither TABLE nor QUERY.
    """
    said = clickhouse_source(item.source)
    if not _is_here(said):
        return None
    if not said.get("TABLE") and not said.get("QUERY"):
        raise SpecError(f"dictionary {item.name}: source", "it says neither TABLE nor QUERY")
    form = split_create(create_dictionary_sql(item, database), database)
    # An empty DB is none: such a TABLE is looked for as a QUERY's is.
    inside = home if home and said.get("DB") == "" else database
    query = query_of(form, inside) if isinstance(form, DictionaryForm) else ""
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


def make_elsewhere(
    scratch: Scratch, views: Sequence[View], homes: Mapping[str, str], database: str
) -> Routine[dict[str, StatementError]]:
    """Create the queries that look for names in another database than ``database``, and those for ``database`` in
    scratch. The result is what was refused."""
    refused: dict[str, StatementError] = {}
    for view in views:
        where = dataclasses.replace(scratch, database=homes[view.name])
        query = strip_database(view.query, database, lenient=True, instead=scratch.database)
        try:
            error = yield from make(where, create_view(scratch.sql_name(view.name), query), inside=True)
        except StatementError as denied:
            # The source reads as its own user, who may have the right.
            if denied.code != ACCESS_DENIED:
                raise
            error = denied
        if error is not None:
            refused[view.name] = error
    return refused


def require_database(view: View, home: str, error: StatementError) -> None:
    """Raise ``SpecError`` where what it names without a database is not in ``home``."""
    found = _UNKNOWN.search(error.message) if error.code == UNKNOWN_TABLE else None
    name = found[1].removeprefix(f"{home}.") if found is not None else "."
    # One with a database is found wrong as any other.
    if "." not in name:
        raise SpecError(
            f"dictionary {_dictionary(view)}",
            f"its source names {name} without a database, and the server looks for it in {home}, where it is not "
            "(DB says nothing for a QUERY or a WHERE): name the database there",
        )


def _dictionary(view: View) -> str:
    return view.name.removesuffix(_MARK)


def refused_source(scratch: Scratch, view: View, error: StatementError) -> None:
    """Raise ``SpecError`` where the engine says that something it names is not there."""
    if error.code in _WRONG:
        said = sentence(scratch, error).partition(": While processing")[0]
        raise SpecError(f"dictionary {_dictionary(view)}", f"its source cannot be read: {said}")


def require_columns(scratch: Scratch, items: Sequence[Dictionary], made: Collection[str]) -> Routine[None]:
    """Raise ``SpecError`` where a QUERY yields another number of columns: they are taken in the order of the
    attributes."""
    for item in items:
        name = f"{item.name}{_MARK}"
        if name not in made or "QUERY" not in clickhouse_source(item.source):
            continue
        found = yield from query_columns(f"SELECT * FROM {scratch.sql_name(name)}")
        if found is not None and len(found) != len(item.columns):
            problem = (
                f"its QUERY yields {count_text(len(found), 'column')}, and "
                f"{count_that(len(item.columns), 'attribute', 'are')} declared"
            )
            raise SpecError(f"dictionary {item.name}", problem)
