"""Declared views and dictionaries in canonical form, without any effect on live objects.

A materialized view is never created: over live tables it would write into its target. Its SELECT is created as a
plain view in scratch, over empty copies of the tables that it reads, and the engine's text of that is compared.
Dictionaries are not created either: the engine keeps their text as it was typed, so formatting it is enough, and no
source is contacted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, LiveObject, UnsupportedForm, ViewForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.render import column_form_sql, engine_tail, target_parts, target_text
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import formatted, make, names_in_scratch, read_forms, sentence
from aaiclick.catalog.secrets import conceal
from aaiclick.catalog.view_sources import make_sources, names_in_query
from aaiclick.errors import SpecError, StatementError
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_dictionary_sql, engine_sql
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.database_prefix import merged_from, strip_database
from aaiclick.sql.ddl import create, create_table, create_view
from aaiclick.sql.tokens import split_top

AnyView = View | MaterializedView
_INNER = "~inner"


def canonical_views(
    scratch: Scratch,
    views: Sequence[View | MaterializedView | Dictionary],
    catalog: Catalog,
    tables: Sequence[Table] = (),
) -> Routine[dict[str, Form]]:
    """The form of each declared view and dictionary, by name. Comments and targets are those of the declaration.

    ``tables`` are declared tables that the views may read; they may also read each other, and the dictionaries among
    ``views``. Other objects that they read are copied, empty, from ``catalog``.

    Raises ``SpecError`` with the engine's message for a definition that it refuses.
    """
    queries = [view for view in views if not isinstance(view, Dictionary)]
    found: dict[str, Form] = {}
    # Before the views, which may read one.
    for dictionary in (view for view in views if isinstance(view, Dictionary)):
        found[dictionary.name] = yield from _dictionary_form(scratch, dictionary, catalog)
    if queries:
        # Else the query is read over the live tables (see ``make_views``).
        if not scratch.prefix:
            yield from make_sources(scratch, queries, _with_dictionaries(catalog, found), tables)
        found.update((yield from _view_forms(scratch, queries, catalog)))
    return found


def _with_dictionaries(catalog: Catalog, forms: Mapping[str, Form]) -> Catalog:
    """The catalogue with the dictionaries as declared: a view may read an attribute, or one, that is new."""
    made = {name: LiveObject(catalog.database, name, form, "", "Dictionary") for name, form in forms.items()}
    return dataclasses.replace(catalog, objects={**catalog.objects, **made}) if made else catalog


def _view_forms(scratch: Scratch, views: Sequence[AnyView], catalog: Catalog) -> Routine[dict[str, ViewForm]]:
    refused = yield from make_views(scratch, views, catalog)
    unmade = [view for view in views if view.name in refused]
    # What nobody declares was not read with the rest. It is asked for only where something is wanting.
    if unmade and not scratch.prefix:
        read = frozenset(name for view in unmade for name in names_in_query(view.query))
        yield from make_sources(scratch, unmade, (yield from with_undeclared(catalog, read)), ())
        refused = yield from make_views(scratch, unmade, catalog)
    made = yield from read_forms(scratch, [view.name for view in views if view.name not in refused])
    forms: dict[str, ViewForm] = {}
    for view in views:
        form = made.get(view.name)
        if isinstance(form, UnsupportedForm):
            raise SpecError(f"{view.noun} {view.name}", f"cannot be managed: {form.reason}")
        if not isinstance(form, ViewForm):
            form = yield from _unmade(scratch, view, catalog, refused.get(view.name))
        forms[view.name] = yield from _completed(scratch, view, form, catalog)
    return forms


def with_undeclared(catalog: Catalog, named: Collection[str]) -> Routine[Catalog]:
    """The catalogue with what nobody declares, and a view names."""
    unread = tuple(sorted(set(named) - set(catalog.objects)))
    if not unread:
        return catalog
    more = yield from read_catalog(catalog.database, unread)
    return dataclasses.replace(catalog, objects={**catalog.objects, **more.objects})


def make_views(scratch: Scratch, views: Sequence[AnyView], catalog: Catalog) -> Routine[dict[str, StatementError]]:
    """Create each SELECT as a plain view. One may read another, so those that were refused are tried again until none
    more succeeds."""
    waiting = list(views)
    refused: dict[str, StatementError] = {}
    # Without a database of its own scratch cannot hold copies under the names the query uses: it is then read over the
    # live tables.
    where = dataclasses.replace(scratch, database=catalog.database) if scratch.prefix else scratch
    present = yield from names_in_scratch(scratch)
    waiting = [view for view in waiting if scratch.name(view.name) not in present]
    while waiting:
        refused = {}
        for view in waiting:
            # A plain view runs nothing when it is created: the engine only analyses its query and writes every name
            # out.
            error = yield from make(where, create_view(scratch.sql_name(view.name), view.query), inside=True)
            if error is not None:
                refused[view.name] = error
        if len(refused) == len(waiting):
            break
        waiting = [view for view in waiting if view.name in refused]
    return refused


def _unmade(scratch: Scratch, view: AnyView, catalog: Catalog, error: StatementError | None) -> Routine[ViewForm]:
    """The form of a view whose query cannot be analysed in scratch, because a table that it reads cannot be copied. The
    live columns are taken where the query text is the live one."""
    try:
        written = yield from formatted(create_view("v", view.query))
    except StatementError as syntax:
        raise SpecError(f"{view.noun} {view.name}", sentence(scratch, syntax)) from None
    form, live = split_create(merged_from(written, catalog.database), catalog.database), catalog.get(view.name)
    if (
        isinstance(form, ViewForm)
        and live is not None
        and isinstance(live.form, ViewForm)
        and live.form.query == form.query
    ):
        return dataclasses.replace(form, columns=live.form.columns)
    problem = sentence(scratch, error) if error is not None else "the engine does not show its definition"
    raise SpecError(f"{view.noun} {view.name}", problem)


def unchanged_views(views: Sequence[AnyView], catalog: Catalog) -> Routine[frozenset[str]]:
    """The views whose declared query has the same text as the live one: the plan will not replace them."""
    found: set[str] = set()
    for view in views:
        live = catalog.get(view.name)
        if live is None or not isinstance(live.form, ViewForm):
            continue
        try:
            written = merged_from((yield from formatted(create_view("v", view.query))), catalog.database)
            form = split_create(written, catalog.database)
        except StatementError:
            continue  # a syntax error: the comparison says so
        if isinstance(form, ViewForm) and strip_database(form.query, catalog.database) == strip_database(
            live.form.query, catalog.database
        ):
            found.add(view.name)
    return frozenset(found)


def _completed(scratch: Scratch, view: AnyView, form: ViewForm, catalog: Catalog) -> Routine[ViewForm]:
    form = dataclasses.replace(
        form,
        name=view.name,
        query=strip_database(form.query, catalog.database),
        comment=view.comment or "",
        security=view.security or "",
    )
    if isinstance(view, View):
        return form
    target = ""
    if view.to is not None:
        database, name = target_parts(view.to)
        target = target_text(None if database == catalog.database else database, name)
    inner = (yield from _inner(scratch, view, form)) if view.engine is not None else ""
    refresh = (yield from _refresh(scratch, view, catalog.database)) if view.refresh is not None else ""
    return dataclasses.replace(form, materialized=True, to=target, inner=inner, refresh=refresh)


def _inner(scratch: Scratch, view: MaterializedView, form: ViewForm) -> Routine[str]:
    """The ENGINE clauses of a view that owns an inner table, tried on a table with the columns of its query."""
    name = view.name + _INNER
    # On a plain table: a materialized view with that engine would have to be made, and would read what is inserted.
    columns = ", ".join(column_form_sql(column) for column in form.columns)
    # And on a local one: under its path in Keeper it would be a replica of the live one.
    said = view.engine.replicated if isinstance(view.engine, MergeTree) else None
    plain = view.engine.model_copy(update={"replicated": None}) if view.engine is not None else None
    local = view.model_copy(update={"engine": plain}) if said is not None else view
    error = yield from make(scratch, create_table(scratch.sql_name(name), columns, engine_sql(local)))
    if error is not None:
        raise SpecError(f"{view.noun} {view.name}", sentence(scratch, error))
    made = (yield from read_forms(scratch, [name])).get(name)
    if made is None or made.kind != "table":
        raise SpecError(f"{view.noun} {view.name}", "the engine of its own table cannot be managed")
    if said is not None:
        arguments = ", ".join((*split_top(said), *split_top(made.arguments)))
        made = dataclasses.replace(made, engine=f"Replicated{made.engine}", arguments=arguments)
    return engine_tail(made)


def _refresh(scratch: Scratch, view: MaterializedView, database: str) -> Routine[str]:
    try:
        written = yield from formatted(
            # Only formatted: target and query stand for any others.
            create("MATERIALIZED VIEW", "v", f"REFRESH {view.refresh}", "TO t", "AS SELECT 1")
        )
    except StatementError as error:
        raise SpecError(f"{view.noun} {view.name}: refresh", sentence(scratch, error)) from None
    form = split_create(written, database)
    if not isinstance(form, ViewForm):
        raise SpecError(f"{view.noun} {view.name}: refresh", "cannot be managed")
    return form.refresh


def _dictionary_form(scratch: Scratch, dictionary: Dictionary, catalog: Catalog) -> Routine[DictionaryForm]:
    try:
        written = yield from formatted(create_dictionary_sql(dictionary, catalog.database))
    except StatementError as error:
        raise SpecError(f"dictionary {dictionary.name}", sentence(scratch, error)) from None
    live = catalog.get(dictionary.name)
    form = conceal(split_create(written, catalog.database), live.form if live is not None else None)
    if not isinstance(form, DictionaryForm):
        reason = form.reason if isinstance(form, UnsupportedForm) else f"it is a {form.kind}"
        raise SpecError(f"dictionary {dictionary.name}", f"cannot be managed: {reason}")
    return dataclasses.replace(form, name=dictionary.name)
