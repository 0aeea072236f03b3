"""Makes declared objects that are missing in scratch, empty, where the server might refuse their CREATE.

The statements of a run come one after the other: found only at its own CREATE, a wrong projection or the wrong query of
a view would leave the objects that were made before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from aaiclick.catalog.declared_tables import canonical_tables, instantiable_table
from aaiclick.catalog.declared_views import make_views, with_undeclared
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import make, names_in_scratch, sentence
from aaiclick.catalog.view_sources import make_sources, names_in_query
from aaiclick.errors import SpecError
from aaiclick.plan.declaration.dictionary_sources import (
    is_source,
    make_elsewhere,
    refused_source,
    require_columns,
    require_database,
    source_homes,
    source_view,
)
from aaiclick.plan.declaration.expressions import require_conditions
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_dictionary_sql
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, View
from aaiclick.sql.database_prefix import strip_database
from aaiclick.sql.tokens import TokenError, Tokens

_SOURCES = frozenset(
    {"CASSANDRA", "CLICKHOUSE", "EXECUTABLE", "EXECUTABLE_POOL", "FILE", "HTTP", "JDBC", "LIBRARY", "MONGO", "MONGODB"}
    | {"MYSQL", "NULL", "ODBC", "POSTGRESQL", "REDIS", "YAMLREGEXPTREE"}
)
_FIRST_WORD = re.compile(r"\s*(\w+)")


def try_tables(scratch: Scratch, tables: Sequence[Table], catalog: Catalog) -> Routine[dict[str, TableForm]]:
    """The forms of the tables. Raises ``SpecError`` for one that cannot be created, or that could not be managed."""
    forms = (yield from canonical_tables(scratch, tables, catalog)) if tables else dict[str, TableForm]()
    for table in tables:
        if table.constraints:
            form = forms[table.name]
            yield from require_conditions(table.name, form, form.constraints)
    return forms


def try_others(
    scratch: Scratch,
    items: Sequence[View | Dictionary],
    tables: Sequence[Table],
    catalog: Catalog,
    declared: Collection[str] = (),
) -> Routine[None]:
    """Raise ``SpecError`` for a plain view or dictionary that is missing and cannot be created, or whose source cannot
    be read.

    ``tables``: the declared ones; ``declared``: names of everything declared. A view or source is only called wrong
    where scratch has all that it names.
    """
    dictionaries = [item for item in items if isinstance(item, Dictionary)]
    made = (yield from names_in_scratch(scratch)) if dictionaries else frozenset[str]()
    for dictionary in dictionaries:
        # One that another view reads is there by now, as far as it matters to that.
        known = scratch.name(dictionary.name) in made
        yield from _try_dictionary(scratch, dictionary, f"{dictionary.name}~trial" if known else dictionary.name)
    homes = (yield from source_homes(dictionaries, catalog.database)) if not scratch.prefix else dict[str, str]()
    sources = [(item, source_view(item, catalog.database, homes.get(item.name, ""))) for item in dictionaries]
    read = [view for _, view in sources if view is not None]
    away = {view.name: homes[item.name] for item, view in sources if view is not None and item.name in homes}
    views = [_at_home(item, catalog.database) for item in (*(item for item in items if isinstance(item, View)), *read)]
    # Without a database of its own scratch holds nothing under the names that a query uses.
    if not views or scratch.prefix:
        return
    named = {name for view in views for name in names_in_query(view.query)}
    catalog = yield from with_undeclared(catalog, named - {table.name for table in tables})
    yield from make_sources(scratch, views, catalog, tables)
    refused = yield from make_views(scratch, [view for view in views if view.name not in away], catalog)
    elsewhere = [view for view in read if view.name in away]
    refused.update((yield from make_elsewhere(scratch, elsewhere, away, catalog.database)))
    yield from require_columns(scratch, dictionaries, {view.name for view in read} - refused.keys())
    if not refused:
        return
    there = yield from names_in_scratch(scratch)
    listed = {*(table.name for table in tables), *catalog.objects, *refused, *declared}
    wanting = _unlike_live(tables, catalog) | {name for name in listed if scratch.name(name) not in there}
    for view in views:
        error = refused.get(view.name)
        if error is not None and view.name in away:
            require_database(view, away[view.name], error)
        inside = names_in_query(view.query)
        # Scratch is another database: what still names this one there means what is live.
        if error is None or (wanting - {view.name}) & inside or _names_database(inside, catalog.database):
            continue
        if is_source(view):
            refused_source(scratch, view, error)
            continue
        raise SpecError(f"{view.noun} {view.name}", sentence(scratch, error).partition(": While processing")[0])


def _try_dictionary(scratch: Scratch, item: Dictionary, name: str) -> Routine[None]:
    try:
        Tokens(item.source)
    except TokenError as open_bracket:
        # Without what stands there: it may be a part of a password.
        problem = "cannot be parsed: a bracket or a quote is left open, or one too many"
        raise SpecError(f"{item.noun} {item.name}: source", problem) from open_bracket
    found = _FIRST_WORD.match(item.source)
    # Its source is never asked: it may be out of reach, or made by this very plan. One that the server does not know is
    # refused with the CREATE.
    source = item.source if found is None or found[1].upper() not in _SOURCES else "NULL()"
    tried = item.model_copy(update={"source": source})
    error = yield from make(scratch, create_dictionary_sql(tried, scratch.database, scratch.name(name)))
    if error is not None:
        raise SpecError(f"{item.noun} {item.name}", sentence(scratch, error).partition(": While processing")[0])


def _at_home(view: View, database: str) -> View:
    """The view with a query that finds in scratch what it names by its own database."""
    return view.model_copy(update={"query": strip_database(view.query, database, lenient=True)})


def _names_database(names: Collection[str], database: str) -> bool:
    return any(name == database or name.startswith(f"{database}.") for name in names)


def _unlike_live(tables: Sequence[Table], catalog: Catalog) -> set[str]:
    """Declared tables that scratch has in another way than the database will: those that reach out are plain tables
    there, and columns that are live and not declared are missing."""
    found: set[str] = set()
    for table in tables:
        live = catalog.get(table.name)
        form = live.form if live is not None else None
        names = {column.name for column in form.columns} if isinstance(form, TableForm) else set[str]()
        if not instantiable_table(table) or names - {column.name for column in table.columns}:
            found.add(table.name)
    return found
