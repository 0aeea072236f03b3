"""Tries the SELECT of every view that reads a table over the table's new form.

The engine accepts the drop or rename of a column that a view reads. A plain view then fails at every read, a
materialized one at every INSERT. An empty clone has no views, so the rehearsal of the ALTER does not show that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.fronts import place_behind
from aaiclick.clickhouse.messages import first_line
from aaiclick.diff.hazards import Hazard
from aaiclick.error_codes import ALTER_OF_COLUMN_IS_FORBIDDEN, is_transient
from aaiclick.errors import StatementError
from aaiclick.plan.data_checks.checks import CheckFindings
from aaiclick.plan.dependents.dependents import Place, relocated
from aaiclick.plan.rehearsal.empty_clone import Clone, attempt
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.clauses import drop_column
from aaiclick.sql.ddl import alter_table, create, create_view, drop
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_NOUNS = {"View": "view", "MaterializedView": "materialized view"}


def broken_dependents(diff: TableDiff, form: TableForm, label: str = "reread") -> Routine[dict[str, str]]:
    """The views that can read the table now and could not with ``form``, each with a sentence about it."""
    dependents = yield from _dependents(diff)
    if not dependents:
        return {}
    # Both forms are tried: a view that fails today as well is not broken by this change.
    old = yield from diff.make_clone(_readable(diff.form), f"{label}-before")
    new = yield from diff.make_clone(_readable(form), label)
    broken: dict[str, str] = {}
    for name, noun, query in dependents:
        before = yield from _refusal(diff, old, query)
        after = yield from _refusal(diff, new, query)
        if after and not before:
            broken[name] = f"the {noun} {name} reads {diff.live.name} and would fail ({after})"
    return broken


def _readable(form: TableForm) -> TableForm:
    """The form with what can be read of it: the server makes a view over an EPHEMERAL column, and then refuses to read
    it, and every INSERT through a materialized one (16)."""
    if not any(column.kind == "EPHEMERAL" for column in form.columns):
        return form
    # Values that are computed from such a column are there to be read.
    columns = tuple(
        replace(column, kind="", expression="") if column.kind in ("DEFAULT", "MATERIALIZED") else column
        for column in form.columns
        if column.kind != "EPHEMERAL"
    )
    return replace(form, columns=columns, constraints=())


def blocking_dependents(diff: TableDiff, form: TableForm, label: str = "reread") -> Routine[CheckFindings]:
    """These views, as reasons against the change. Those that the plan replaces fail only until then; a materialized
    view that it drops first is noted in ``diff.cache``."""
    broken = yield from broken_dependents(diff, form, label)
    diff.cache.dropped_first.update(name for name in broken if name in diff.droppable_views)
    rest = [words for name, words in broken.items() if name not in diff.replaced_views | diff.droppable_views]
    if rest:
        return CheckFindings("; ".join(rest))
    gaps = "; ".join(words for name, words in broken.items() if name in diff.replaced_views)
    return CheckFindings(
        "", (Hazard("readers-see-gap", f"from this step until it is replaced: {gaps}"),) if gaps else ()
    )


def held_columns_of_views(diff: TableDiff, form: TableForm) -> Routine[dict[str, str]]:
    """Undeclared columns that the server does not drop because a materialized view reads them with all others
    (``SELECT *``), each with a sentence. An empty clone has no views: here it gets these."""
    held: dict[str, str] = {}
    for place, (name, noun, query) in enumerate((yield from _dependents(diff))):
        # One with another query gets that before the drop.
        if noun != "materialized view" or name in diff.rewritten_views or not _reads_all(query):
            continue
        clone = yield from diff.make_clone(form, f"held-{place}")
        probe = qualified(clone.database, f"{clone.table}_view")
        moved = relocated(query, {(diff.database, diff.live.name): (clone.database, clone.table)})
        made = yield from attempt(clone, create("MATERIALIZED VIEW", probe, "ENGINE = Null", f"AS {moved}"))
        if not made.accepted:
            continue  # the plain look at its query says so, or it cannot be tried at all
        for column in diff.target.undeclared:
            outcome = yield from attempt(clone, alter_table(clone.name, drop_column(quote_name(column))))
            if outcome.code == ALTER_OF_COLUMN_IS_FORBIDDEN:
                held.setdefault(
                    column,
                    f"the server drops no column that a materialized view reads, and {name} reads {column} with all "
                    "others: give it a query that names the columns which it is to read, or drop it first",
                )
        yield Command(drop("VIEW", probe))
    return held


def _reads_all(query: str) -> bool:
    return "*" in query or "COLUMNS(" in query.upper()


def _dependents(diff: TableDiff) -> Routine[tuple[tuple[str, str, str], ...]]:
    """Views of the same database whose text names the table, and materialized views that the engine lists as its
    dependents."""
    known = diff.cache.dependents.get(diff.live.dependents)
    if known is None:
        known = yield from _views(diff)
        diff.cache.dependents[diff.live.dependents] = known
    return tuple(dependent for dependent in known if _spans(dependent[2], diff))


def _views(diff: TableDiff) -> Routine[list[tuple[str, str, str]]]:
    listed = [(database, name) for database, _, name in (each.partition(".") for each in diff.live.dependents)]
    known = diff.cache.views
    # What the server lists of another database, or of another kind, is asked for by its name.
    if known is not None and {(diff.database, view.name) for view in known} >= set(listed):
        return _through_aliases([(view.name, view.engine, view.query) for view in known], diff.database)
    others = " OR ".join(
        f"(database = {{d{place}:String}} AND name = {{n{place}:String}})" for place in range(len(listed))
    )
    parameters: dict[str, str | int] = {"database": diff.database}
    for place, (database, name) in enumerate(listed):
        parameters[f"d{place}"], parameters[f"n{place}"] = database, name
    rows = yield Query(
        "SELECT if(database = {database:String}, name, concat(database, '.', name)), engine, if(engine = 'Alias', "
        "engine_full, as_select) FROM system.tables"
        f" WHERE (database = {{database:String}} AND engine IN ('View', 'MaterializedView', "
        f"'Alias')){' OR ' + others if others else ''} ORDER BY database, name",
        parameters,
    )
    return _through_aliases([(text(name), text(engine), text(query)) for name, engine, query in rows], diff.database)


def _through_aliases(found: Sequence[tuple[str, str, str]], database: str) -> list[tuple[str, str, str]]:
    """The views, each with what it is, and its query over the tables behind what it reads through an Alias."""
    behind: dict[Place, Place] = {}
    for name, engine, shown in found:
        arguments = shown.removeprefix("Alias(").partition(")")[0] if engine == "Alias" else ""
        if arguments and (place := place_behind(engine, arguments, database)) is not None:
            behind[database, name] = place
    return [
        (name, _NOUNS.get(engine, "object"), relocated(query, behind) if behind else query)
        for name, engine, query in found
        if engine != "Alias"
    ]


def _spans(query: str, diff: TableDiff) -> list[tuple[int, int]]:
    """Where the query names the table. The engine writes the database in front of it."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return []
    found: list[tuple[int, int]] = []
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        if parts[:2] == (diff.database, diff.live.name):
            end = tokens.items[position + 2].end
            found.append((tokens.items[position].start, end))
        position = max(behind, position + 1)
    return found


def _refusal(diff: TableDiff, clone: Clone, query: str) -> Routine[str]:
    """Why the engine would not analyse the query over the clone; '' where it does."""
    moved = relocated(_with_values(query), {(diff.database, diff.live.name): (clone.database, clone.table)})
    probe = qualified(clone.database, f"{clone.table}_view")
    try:
        # CREATE VIEW analyses the query and runs nothing.
        yield Command(create_view(probe, moved), settings=clone.settings)
        yield Command(drop("VIEW", probe))
    except StatementError as error:
        # The connection failed, or it was a limit: that is no refusal.
        if is_transient(error.code):
            raise
        return first_line(str(error))
    return ""


def _with_values(query: str) -> str:
    """The query of a view with parameters, with a value of its type in place of each: the server analyses such a query
    only when it is read, and takes any for a CREATE."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return query
    pieces, position = list[str](), 0
    for place in range(len(tokens)):
        if tokens.is_op(place, "{") and tokens.is_kind(place + 1, "word", "name") and tokens.is_op(place + 2, ":"):
            end = tokens.match[place]
            value = f"defaultValueOfTypeName({quote_string(tokens.slice(place + 3, end))})"
            pieces += [query[position : tokens.items[place].start], value]
            position = tokens.items[end].end
    return "".join([*pieces, query[position:]])
