"""Plain views over tables that change: they store the types of their columns, and would go on converting to the old
ones.

A view is replaced before its table changes, with the types that the table will have. From then on it yields the same
values in the wider type, and a run that is killed in between leaves nothing wrong. Columns that the table does not
have yet are added after the table's step.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aaiclick.catalog.forms import ColumnForm
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.database_after import Effect
from aaiclick.plan.dependents.dependents import Dependent, recreate_view
from aaiclick.plan.model import Step
from aaiclick.plan.steps import blocked_step, statements_step


def plain_steps(effect: Effect, database: str, changes: bool) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Steps before and after those of the tables. ``changes``: whether tables that it reads change."""
    dependent = effect.dependent
    if effect.pinned:
        listed = ", ".join(
            f"{name} is {stored} in it and {fresh} in its query" for name, stored, fresh in effect.pinned
        )
        return (
            blocked_dependent(
                dependent,
                database,
                f"its own list of columns would change values: {listed}. Drop the view, or make it anew without that "
                "list, first",
            ),
        ), ()
    if not effect.columns or effect.columns == dependent.columns:
        return (), ()
    # Where no table changes nothing has to be waited for, and the view gets its columns at once.
    early = _early(dependent.columns, effect) if changes else effect.columns
    before = (_step(dependent, database, dependent.columns, early, "types"),) if early != dependent.columns else ()
    behind = (_step(dependent, database, early, effect.columns, "columns"),) if effect.columns != early else ()
    return before, behind


def broken_step(effect: Effect, database: str) -> Step:
    """A blocked step for a view that would fail, and that the plan does not replace."""
    return blocked_dependent(
        effect.dependent, database, f"it would fail ({effect.refusal.splitlines()[0]}). Change or drop it first"
    )


def taken_over_step(effect: Effect, database: str) -> Step:
    """A blocked step for an object that nobody declares and that would read other columns from then on."""
    names = ", ".join(effect.taken_over)
    why = f"its query says {names} without a table, and would read another column of that name from then on"
    way = "Say in it which table is meant, or drop it, first"
    if not _said(effect):
        why = f"its query takes {names} from * or COLUMNS, and another column has that name from then on"
        way = "Name its columns in it, with their tables, or drop it, first"
    return blocked_dependent(effect.dependent, database, f"{why}. {way}")


def _said(effect: Effect) -> bool:
    query = effect.dependent.query
    # NATURAL JOIN names none, and matches none.
    matched = "*" in query or "COLUMNS(" in query.upper()
    return not matched or bool(names_in_query(query).intersection(effect.taken_over))


def declared_query_note(effect: Effect, database: str) -> str:
    """What is said of a declared one: its query was declared for the new tables."""
    names = ", ".join(effect.taken_over)
    says = f"its query says {names} without a table, and reads"
    if not _said(effect):
        says = f"its query takes {names} from * or COLUMNS, and shows"
    shown = display_name(effect.dependent, database)
    return f"{shown}: {says} another column of that name after this plan than before it"


def _early(stored: Sequence[ColumnForm], effect: Effect) -> tuple[ColumnForm, ...]:
    """The new columns that the query yields today already."""
    now = set(effect.now) or {column.name for column in stored}
    return tuple(column for column in effect.columns if column.name in now) or tuple(stored)


def _step(
    dependent: Dependent, database: str, old: Collection[ColumnForm], new: Sequence[ColumnForm], label: str
) -> Step:
    before, after = {column.name: column.type for column in old}, {column.name: column.type for column in new}
    words = [
        f"column {name}: {before[name]} -> {kind}"
        for name, kind in after.items()
        if name in before and before[name] != kind
    ]
    words += [f"column {name} is new" for name in after if name not in before]
    words += [f"column {name} is gone" for name in before if name not in after]
    words = words or ["the order of its columns"]
    sql = recreate_view(dependent, new)
    name = display_name(dependent, database)
    lines = tuple(f"{dependent.noun} as its query gives it: {each}" for each in words)
    return statements_step(f"{name}:{label}", name, "; ".join(lines), (sql,), changes=lines)


def blocked_dependent(dependent: Dependent, database: str, reason: str) -> Step:
    """A blocked step for an object that does not allow what the tables need."""
    name = display_name(dependent, database)
    return blocked_step(f"{name}:reads", name, "reads what changes", reason)


def display_name(dependent: Dependent, database: str) -> str:
    """Its name, with the database where that is another one."""
    return dependent.name if dependent.database == database else f"{dependent.database}.{dependent.name}"


def step_without(
    drop: Step, dependent: Dependent, name: str, column: str, gone: Sequence[str], statements: Sequence[str]
) -> Step:
    """The step for a view that is made anew behind the optional drop of a column (``table.column``): it no longer shows
    ``gone``. It is asked for by the same names as the drop."""
    lost = ", ".join(gone)
    hazards = tuple(
        Hazard("old-code-breaks", f"{name} no longer shows {lost}", hazard.allow)
        for hazard in drop.hazards
        if hazard.allow
    )
    words = f"{dependent.noun} as its query gives it: column {lost} is gone"
    return statements_step(f"{name}:without:{column}", name, words, statements, hazards, optional=True)
