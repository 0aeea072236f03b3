"""Materialized views that are new, say ``SELECT *``, and read a table with columns that nobody declares.

What such a view is to be is known from the declared tables. The server makes it over the live ones, and ``*`` is then
every column that is there: it refuses the view where the target lacks one (8), after earlier steps were done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, Form, TableForm, ViewForm
from aaiclick.catalog.normalize import normal_form
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.plan.backfill.view_steps import selected_columns
from aaiclick.plan.dependents.database_after import DatabaseAfter, effects
from aaiclick.plan.dependents.dependents import Dependent, view_dependent
from aaiclick.plan.dependents.read import read_views
from aaiclick.plan.model import Step
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.ddl import drop, rename_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

_VIEWS = (
    "SELECT database, name, engine, create_table_query, as_select, toString(uuid) FROM system.tables WHERE database = "
    "unhex({db:String}) AND engine = 'MaterializedView' ORDER BY name"
)


def new_dependents(
    items: Sequence[MaterializedView], catalog: Catalog, shapes: Mapping[str, ViewForm]
) -> list[Dependent]:
    """Those of new materialized views whose query may name every column that is there."""
    return [
        Dependent(catalog.database, item.name, "", item.query, (), shapes[item.name], "", item.noun)
        for item in items
        if item.name in shapes and "*" in item.query
    ]


def require_outputs(
    steps: Sequence[Step],
    items: Sequence[MaterializedView],
    tables: Sequence[Table],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    shapes: Mapping[str, ViewForm],
) -> Routine[tuple[Step, ...]]:
    """The steps, blocked where the server would refuse one of the new views for a column that nobody declares.
    ``targets``: tables that differ, as they will be then. ``shapes``: what views become."""
    undeclared = _undeclared(tables, catalog)
    asked = [
        each
        for each in new_dependents(items, catalog, shapes)
        if each.target is not None and not undeclared.keys().isdisjoint(names_in_query(each.query))
    ]
    if not asked:
        return tuple(steps)
    live = {name: there.form for name, there in catalog.objects.items() if isinstance(there.form, TableForm)}
    queries = {each.name: each.query for each in asked}
    after = DatabaseAfter(catalog, {**live, **targets}, queries, frozenset(queries))
    said: dict[str, str] = {}
    for effect in (yield from effects(asked, after)):
        shape = shapes[effect.dependent.name]
        known = {column.name for column in shape.columns}
        more = [column.name for column in effect.fresh if column.name not in known]
        if missing := _lacking(effect.dependent, more, tables, {**live, **targets}):
            said[effect.dependent.name] = (
                f"its query says *, which is {', '.join(missing)} as well: nobody declares that, and its target "
                f"{shape.to} has no such column. Name in the query what the view is to write"
            )
    return tuple(replace(step, blocked=step.blocked or said.get(step.object, "")) for step in steps)


def require_alone(
    steps: Sequence[Step],
    items: Sequence[MaterializedView],
    declared: Sequence[View | MaterializedView | Dictionary],
    catalog: Catalog,
    shapes: Mapping[str, ViewForm],
    notes: list[str],
) -> Routine[tuple[Step, ...]]:
    """The steps, blocked where a view that nobody declares writes what one of the new ones (``items``) would write:
    each row would come twice from then on. Where it writes other rows into the same table, that may be meant so:
    ``notes`` says it."""
    own = f"{catalog.database}."
    known = {item.name for item in declared}
    beside = {
        place.removeprefix(own)
        for item in items
        if not item.refresh and item.to
        for name in names_in_query(item.query)
        if (source := catalog.get(name)) is not None
        for place in source.dependents
        if place.startswith(own) and place.removeprefix(own) not in known
    }
    if not beside:
        return tuple(steps)
    forms: dict[str, ViewForm] = {}
    for each in (yield from read_views(catalog.database, sorted(beside))):
        if each.form is not None and each.form.to and not each.form.refresh:
            form = normal_form(each.form)
            assert isinstance(form, ViewForm)
            forms[each.name] = form
    said: dict[str, str] = {}
    for item in items:
        shape = normal_form(shapes[item.name]) if item.name in shapes else None
        for name, form in forms.items():
            if not isinstance(shape, ViewForm) or form.to != shape.to:
                continue
            if not names_in_query(form.query) & names_in_query(shape.query):
                continue
            if not _same_rows(form.query, shape.query):
                notes.append(
                    f"the materialized view {name}, which nobody declares, writes into {form.to} what the same table "
                    f"gets, as {item.name} will: what both take of an INSERT is in it twice until {name} is dropped"
                )
            else:
                old, new = qualified(catalog.database, name), qualified(catalog.database, item.name)
                said[item.name] = (
                    f"the materialized view {name}, which nobody declares, writes the same rows into {form.to}: each "
                    f"would come twice. Rename it ({rename_table(old, new)}), or drop it ({drop('VIEW', old)}), and "
                    "run again"
                )
    return tuple(replace(step, blocked=step.blocked or said.get(step.object, "")) for step in steps)


def _same_rows(one: str, other: str) -> bool:
    """Whether two queries say the same, in whatever order they select: a view writes by the names of columns."""
    first, second = selected_columns(one), selected_columns(other)
    return one == other or (bool(first[0]) and first == second)


def also_written_by(database: str, name: str) -> Routine[tuple[str, ...]]:
    """A sentence for each other view that writes the same rows into the target of this one, which was just made. Those
    that were there when it was planned have blocked that."""
    rows = yield Query(_VIEWS, {"db": hexed(database)})
    views = [view_dependent(*(text(value) for value in row)) for row in rows]
    own = next((each for each in views if each.name == name), None)
    if own is None or own.target is None or own.form is None or own.form.refresh:
        return ()
    return tuple(
        f"the materialized view {each.name} writes the same rows into {own.target[1]} as {name}, and was not there "
        f"when that was planned: each row comes twice. Drop it: {drop('VIEW', qualified(database, each.name))}"
        for each in views
        if each.name != name and each.target == own.target and each.form is not None and not each.form.refresh
        if _same_rows(own.query, each.query)
    )


def _lacking(view: Dependent, names: Sequence[str], tables: Sequence[Table], forms: Mapping[str, Form]) -> list[str]:
    """Which of the columns the target of the view has not; none where the target is not known."""
    target = view.target
    if target is None or target[0] != view.database:
        return []
    form = forms.get(target[1])
    there = {column.name for column in form.columns} if isinstance(form, TableForm) else set[str]()
    there |= {column.name for table in tables if table.name == target[1] for column in table.columns}
    return [name for name in names if there and name not in there]


def _undeclared(tables: Sequence[Table], catalog: Catalog) -> dict[str, set[str]]:
    """For each table that is there, the columns that nobody declares."""
    found: dict[str, set[str]] = {}
    for table in tables:
        live = catalog.get(table.name)
        if live is not None and isinstance(live.form, TableForm):
            more = {column.name for column in live.form.columns} - {column.name for column in table.columns}
            if more:
                found[table.name] = more
    return found
