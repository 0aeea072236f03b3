"""Checks declared materialized views for mistakes that the engine reports only at an INSERT, or never.

For a view that is created or changed: whether its target exists and can hold what the query yields, and whether the
engine makes a materialized view of that query. It is tried in scratch, between empty copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.render import column_form_sql, target_parts
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import make, sentence
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.errors import SpecError
from aaiclick.plan.dependents.lossless_conversions import fits, literal
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.ddl import create, create_table
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, identifier


def require_targets(schema: Schema, catalog: Catalog) -> Routine[None]:
    """Raise ``SpecError`` for a view whose target is neither declared nor there."""
    declared = {item.name for item in schema.objects}
    for item in schema.objects:
        if not isinstance(item, MaterializedView) or item.to is None:
            continue
        database, name = target_parts(item.to)
        if database in (None, catalog.database) and (name in declared or catalog.get(name) is not None):
            continue
        if not (yield from target_columns((database or catalog.database, name))):
            near = f" in database {database}" if database not in (None, catalog.database) else ""
            raise SpecError(f"{item.noun} {item.name}: to", f"{name} is neither declared nor there{near}")


def target_columns(place: tuple[str, str]) -> Routine[dict[str, str]]:
    """Types of the columns that an INSERT into a live table can fill, by name."""
    # The server counts neither kind among the columns that a view may fill (8 at CREATE), and refuses them in an
    # INSERT.
    rows = yield Query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} AND "
        "default_kind NOT IN ('ALIAS', 'MATERIALIZED')",
        {"database": place[0], "table": place[1]},
    )
    return {text(row[0]): text(row[1]) for row in rows}


def writable(form: Form | None) -> dict[str, str]:
    """The same for a declared table."""
    return (
        {column.name: column.type for column in form.columns if column.kind not in ("ALIAS", "MATERIALIZED")}
        if isinstance(form, TableForm)
        else {}
    )


def require_fit(
    item: MaterializedView, view: ViewForm, target: Mapping[str, str], live: LiveObject | None, now: Mapping[str, str]
) -> Routine[tuple[str, ...]]:
    """Raise ``SpecError`` where values would be changed or refused on their way into the target.

    A live view that is left as it is gets a note. ``now``: the target's columns as they are today.
    """
    before = live.form if live is not None and isinstance(live.form, ViewForm) else None
    stored = (
        {column.name: column.type for column in before.columns}
        if before is not None and (before.to, before.query) == (view.to, view.query)
        else {}
    )
    notes: list[str] = []
    chosen = _selected(view.query)
    # Newer servers refuse such a view as well (8), but one that is there stays: it was made before the column went.
    missing = [column.name for column in view.columns if column.name not in target]
    if missing and live is None:
        raise SpecError(
            f"{item.noun} {item.name}",
            f"its target {view.to} has no column {', '.join(missing)}: what the query yields for it would be lost",
        )
    for column in view.columns:
        wanted = target.get(column.name)
        if (
            wanted is None
            or fits(column.type, wanted)
            or (yield from _literal_fits(chosen.get(column.name, ""), wanted))
        ):
            continue
        problem = (
            f"its query yields {column.type} for {column.name}, and {view.to} keeps {wanted}: other values would "
            "arrive there, or none."
        )
        # It was so when the view was made, and nothing here changes it: that is no reason to stop.
        if stored.get(column.name) == column.type and now.get(column.name) == wanted:
            notes.append(f"{item.name}: {problem} It is left as it was made")
            continue
        raise SpecError(
            f"{item.noun} {item.name}",
            f"{problem} Cast it in the query (CAST({quote_name(column.name)}, {quote_string(wanted)})), or change "
            "the column",
        )
    return tuple(notes)


def _literal_fits(expression: str, kind: str) -> Routine[bool]:
    """True where a number in the query fits the type: the engine calls 300 a UInt16, but it is the number that
    counts."""
    if not literal(expression):
        return False
    # The server converts on the way into the target without an error: 300 into a UInt8 would arrive as 44.
    rows = yield from rows_or_refusal(
        Query(f"SELECT toUInt8(isNotNull(accurateCastOrNull({expression}, {quote_string(kind)})))")
    )
    if rows is None:
        return False
    return text(rows[0][0]) == "1"


def _selected(query: str) -> dict[str, str]:
    """Expression of each column of a plain SELECT, as far as it has an AS."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return {}
    end = 0
    while end < len(tokens) and not tokens.is_word(end, "FROM"):
        end = tokens.after(end)
    if not tokens.is_word(0, "SELECT"):
        return {}
    found: dict[str, str] = {}
    for start, stop in tokens.split(1, end):
        if stop - start > 2 and tokens.is_word(stop - 2, "AS"):
            found[identifier(tokens, stop - 1)[0][0]] = tokens.slice(start, stop - 2)
    return found


def require_triggerable(scratch: Scratch, item: MaterializedView, view: ViewForm, catalog: Catalog) -> Routine[None]:
    """Raise ``SpecError`` where the engine makes no materialized view of this query (FINAL, SAMPLE, a table function).

    It is tried only where the query reads nothing but copies: over a live table the view would write into its
    target.
    """
    if scratch.prefix or item.refresh is not None or (yield from _reaches_out(item.query)):
        return
    listed = ", ".join(column_form_sql(column) for column in view.columns)
    # Null keeps no row and asks for no key: what is refused then is the query.
    place = f"{item.name}~target"
    error = yield from make(scratch, create_table(scratch.sql_name(place), listed, "ENGINE = Null"), replay=True)
    # No table can have these columns, which says nothing about the query.
    if error is not None:
        return
    trigger = scratch.sql_name(f"{item.name}~trigger")
    made = create("MATERIALIZED VIEW", trigger, f"TO {scratch.sql_name(place)}", f"AS {item.query}")
    error = yield from make(scratch, made, inside=True)
    if error is not None:
        problem = (
            sentence(scratch, error)
            .partition(": While processing")[0]
            .replace(f"{place}", item.to or "the view's own table")
        )
        raise SpecError(f"{item.noun} {item.name}", problem)


def check_views(
    schema: Schema,
    items: Sequence[MaterializedView],
    wanted: Mapping[str, Form],
    targets: Mapping[str, Form],
    catalog: Catalog,
    scratch: Scratch,
) -> Routine[tuple[str, ...]]:
    """All of these checks for the declared materialized views, whose forms are ``wanted``; the notes."""
    yield from require_targets(schema, catalog)
    notes: list[str] = []
    for item in items:
        view, live = wanted.get(item.name), catalog.get(item.name)
        if not isinstance(view, ViewForm):
            continue
        before = live.form if live is not None else None
        database, name = target_parts(view.to) if view.to else (None, "")
        there = catalog.get(name) if database in (None, catalog.database) else None
        target = writable(targets.get(name)) if database in (None, catalog.database) else {}
        if view.to and not target:
            target = yield from target_columns((database or catalog.database, name))
        if not isinstance(before, ViewForm) or (before.query, before.to) != (view.query, view.to):
            yield from require_triggerable(scratch, item, view, catalog)
        if target:
            notes += yield from require_fit(
                item, view, target, live, writable(there.form) if there is not None else target
            )
    return tuple(notes)


def _reaches_out(query: str) -> Routine[bool]:
    """True where the query names another database: only tables without one are read from scratch."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return True
    first: set[str] = set()
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        if len(parts) > 1:
            first.add(parts[0])
        position = max(behind, position + 1)
    if not first:
        return False
    rows = yield Query("SELECT name FROM system.databases")
    return bool(first & {text(row[0]) for row in rows})
