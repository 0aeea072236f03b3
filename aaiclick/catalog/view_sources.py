"""Empty copies, in scratch, of every table and view that a query names, so that the query can be analysed there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aaiclick.catalog.forms import (
    Catalog,
    CollectionForm,
    DatabaseForm,
    DictionaryForm,
    FunctionForm,
    LiveObject,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.parse.fronts import place_behind
from aaiclick.catalog.render import attribute_form_sql, column_form_sql, form_sql, has_hidden, local_family
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import instantiable, make, make_as_it_stands, names_in_scratch
from aaiclick.catalog.secrets import readable
from aaiclick.routine import Routine
from aaiclick.specs.ddl import column_sql, create_table_sql
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView, View
from aaiclick.sql.ddl import create, create_table, create_view
from aaiclick.sql.function_calls import with_database
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_ASKS = re.compile(r"\A(COMPLEX_KEY_|)(?:SSD_CACHE|CACHE|DIRECT)\b.*", re.DOTALL)
_PLAIN = "ENGINE = MergeTree ORDER BY tuple()"


def make_sources(
    scratch: Scratch, views: Sequence[View | MaterializedView], catalog: Catalog, tables: Sequence[Table]
) -> Routine[None]:
    """Create what the views read and scratch does not hold yet: declared tables as declared, other objects as they are.

    A source that the engine refuses is left out. A view that needs it is then refused with the engine's own message.
    """
    declared = {table.name: table for table in tables}
    own = {view.name for view in views}
    present = set((yield from names_in_scratch(scratch)))
    waiting = sorted({name for view in views for name in names_in_query(view.query)})
    seen: set[str] = set()
    views_read: dict[str, str] = {}
    while waiting:
        name = waiting.pop(0)
        if name in seen or name in own or scratch.name(name) in present:
            continue
        seen.add(name)
        live = catalog.get(name)
        if name in declared:
            # A view is tried with scratch as its database, where a Join table may not be.
            yield from make(scratch, with_database(_table_sql(scratch, declared[name]), catalog.database))
        elif live is not None:
            if isinstance(live.form, ViewForm):
                # A view is created last, over the copies of what it reads.
                views_read[name] = create_view(scratch.sql_name(name), live.form.query)
                waiting += sorted(names_in_query(live.form.query))
            elif behind := _behind(live):
                # It has the columns that its table gets: that is not what the live one shows now.
                engine = f"ENGINE = Alias({quote_string(scratch.database)}, {quote_string(scratch.name(behind))})"
                views_read[name] = create("TABLE", scratch.sql_name(name), engine)
                waiting.append(behind)
            elif sql := source_sql(scratch, live):
                yield from make_as_it_stands(scratch, sql)
    yield from _make_views(scratch, list(views_read.values()))


def _behind(live: LiveObject) -> str:
    """The name of what an Alias stands in front of, in its own database; '' for anything else."""
    form = live.form
    if not isinstance(form, TableForm) or form.engine != "Alias":
        return ""
    place = place_behind(form.engine, form.arguments, live.database)
    return place[1] if place is not None and place[0] == live.database else ""


def _make_views(scratch: Scratch, waiting: Sequence[str]) -> Routine[None]:
    """Create views, and Alias tables, over the copies. One may read another, so those that were refused are tried again
    until none more succeeds."""
    while waiting:
        refused: list[str] = []
        for sql in waiting:
            error = yield from make(scratch, sql, inside=True)
            if error is not None:
                refused.append(sql)
        # Nothing more succeeds: what is left reads something that cannot be copied.
        if len(refused) == len(waiting):
            return
        waiting = refused


def names_in_query(query: str) -> frozenset[str]:
    """All names in a query, and names in its strings (``dictGet('d', ...)``): more than it reads, never less."""
    try:
        items = Tokens(query).items
    except TokenError:
        return frozenset()
    names = [unquote(token.text) for token in items if token.kind in ("word", "name", "string")]
    return frozenset(part for name in names for part in (name, name.rpartition(".")[2]))


def source_sql(scratch: Scratch, live: LiveObject) -> str:
    """An empty object with the columns of a live table or dictionary, cut off from where its data comes from."""
    match live.form:
        case TableForm():
            local = local_family(readable(live.form))
            if instantiable(local.engine, local.arguments) and not has_hidden(local):
                return with_database(form_sql(local, scratch.database, scratch.name(live.name)), live.database)
            columns = ", ".join(column_form_sql(column) for column in local.columns)
            return with_database(create_table(scratch.sql_name(live.name), columns, _PLAIN), live.database)
        case DictionaryForm():
            attributes = ", ".join(attribute_form_sql(column) for column in live.form.columns)
            # A dictionary in scratch must not load anything from where the live one does.
            clauses = {"LIFETIME": "0", **dict(live.form.clauses), "SOURCE": "NULL()"}
            # These load nothing without a source that can be asked for single keys. Types do not depend on the layout.
            clauses["LAYOUT"] = _ASKS.sub(r"\1HASHED()", clauses["LAYOUT"])
            kept = [f"{word}({clauses[word]})" for word in ("SOURCE", "LIFETIME", "LAYOUT", "RANGE") if word in clauses]
            return create(
                "DICTIONARY",
                scratch.sql_name(live.name),
                f"({attributes})",
                f"PRIMARY KEY {clauses['PRIMARY KEY']}",
                *kept,
            )
        case ViewForm() | FunctionForm() | DatabaseForm() | CollectionForm() | UnsupportedForm():
            return ""


def _table_sql(scratch: Scratch, table: Table) -> str:
    name = scratch.name(table.name)
    if isinstance(table.engine, MergeTree) and table.engine.replicated is None:
        return create_table_sql(table, scratch.database, name)
    columns = ", ".join(column_sql(column) for column in table.columns)
    return create_table(scratch.sql_name(table.name), columns, _PLAIN)
