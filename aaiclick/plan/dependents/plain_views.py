"""Plain views over tables that change: they store the types of their columns, and would convert to the old ones at every read.

A view is made anew before its table changes, with the types that the table will have: from then on it gives what it gave, in the wider type,
and a run that dies in between leaves nothing that is wrong. Columns that the table does not have yet are added behind the table's step.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aaiclick.catalog.forms import ColumnForm
from aaiclick.plan.dependents.database_after import Effect
from aaiclick.plan.dependents.dependents import Dependent, made_anew
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork


def plain_steps(effect: Effect, database: str, changes: bool) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """What is done before and behind the steps of the tables. ``changes``: tables that it reads do."""
    dependent = effect.dependent
    if effect.pinned:
        listed = ", ".join(f"{name} is {stored} in it and {fresh} in its query" for name, stored, fresh in effect.pinned)
        return (
            blocked_step(
                dependent, database, f"its own list of columns would change values: {listed}. Drop the view, or make it anew without that list, first"
            ),
        ), ()
    if not effect.columns or effect.columns == dependent.columns:
        return (), ()
    early = _early(dependent.columns, effect) if changes else effect.columns
    before = (_step(dependent, database, dependent.columns, early, "types"),) if early != dependent.columns else ()
    behind = (_step(dependent, database, early, effect.columns, "columns"),) if effect.columns != early else ()
    return before, behind


def broken_step(effect: Effect, database: str) -> Step:
    """A view that would fail from then on, and that the plan does not replace."""
    return blocked_step(effect.dependent, database, f"it would fail ({effect.refusal.splitlines()[0]}). Change or drop it first")


def _early(stored: Sequence[ColumnForm], effect: Effect) -> tuple[ColumnForm, ...]:
    """The new list, as far as the query yields it already."""
    now = set(effect.now) or {column.name for column in stored}
    return tuple(column for column in effect.columns if column.name in now) or tuple(stored)


def _step(dependent: Dependent, database: str, old: Collection[ColumnForm], new: Sequence[ColumnForm], label: str) -> Step:
    before, after = {column.name: column.type for column in old}, {column.name: column.type for column in new}
    words = [f"column {name}: {before[name]} -> {kind}" for name, kind in after.items() if name in before and before[name] != kind]
    words += [f"column {name} is new" for name in after if name not in before]
    words += [f"column {name} is gone" for name in before if name not in after]
    words = words or ["the order of its columns"]
    sql = made_anew(dependent, new)
    name = called(dependent, database)
    told = tuple(f"{dependent.noun} as its query gives it: {each}" for each in words)
    return Step(f"{name}:{label}", name, "; ".join(told), "replace", [sql], ReplaceWork((sql,)), changes=told)


def blocked_step(dependent: Dependent, database: str, reason: str) -> Step:
    """A view that stands in the way of what the tables need."""
    name = called(dependent, database)
    return Step(f"{name}:reads", name, "reads what changes", "replace", [f"-- {reason}"], ReplaceWork(()), blocked=reason)


def called(dependent: Dependent, database: str) -> str:
    """Its name for somebody who works in ``database``."""
    return dependent.name if dependent.database == database else f"{dependent.database}.{dependent.name}"
