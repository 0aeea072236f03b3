"""Checks that the rows hold what the engine can merge, where it begins to combine rows by a column.

A sign is 1 or -1, a mark of deleted rows 0 or 1, and ``sumMap``, ``minMap`` and ``maxMap`` take arrays of one size. An
INSERT of anything else is refused. A part that is attached, or written without ``optimize_on_insert``, may hold it: a
CollapsingMergeTree drops such a row then, and the others can merge no part that has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.conversion.combining import combined_by
from aaiclick.diff.merging import REMOVE, combined_by_function, merging_engine, role
from aaiclick.diff.target import live_column
from aaiclick.plan.data_checks.unmergeable import refused_rows
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.types import parse_type

_HINT = "A migration can give other values, or leave such rows out: Rebuild(columns=..., where=...)"
_OF_MAPS = frozenset({"summap", "minmap", "maxmap"})


@dataclass(frozen=True, slots=True)
class _Mark:
    """A column of the target: which values the engine does not take, and what is said of rows with one."""

    column: str
    refused: str
    problem: str
    after: str = "no merge of a part that holds such a row could end"


def unmergeable_marks(diff: TableDiff, data_name: str) -> Routine[tuple[str, Cost]]:
    """A sentence for each column with such values ('' for none), and what it cost to find out."""
    problems: list[str] = []
    cost = Cost()
    for mark in _marks(diff):
        rows = future_rows(diff, data_name, [quote_name(mark.column)], {})
        read = yield from cost_of(diff, data_name, rows.read, (f"whether merges take the values of {mark.column}",))
        cost = cost.plus(read)
        if read.open:
            continue
        value, refused = quote_name(mark.column), [(mark.refused, mark.problem)]
        problems += [
            f"{said}: {merging_engine(diff.target.form)} does not take it, and {mark.after}. {_HINT}"
            for said in (yield from refused_rows(diff.shards, rows.source, value, refused))
        ]
    return "; ".join(problems), cost


def _marks(diff: TableDiff) -> Iterator[_Mark]:
    """What the engine has not merged so far: a value that it has taken before is one that it takes."""
    form = diff.target.form
    for column in form.columns:
        mark = _mark(diff, column) if column.stored else None
        if mark is None:
            continue
        old = live_column(diff.form, diff.target.renames, column.name)
        as_before = (
            old is not None
            and old.stored
            and column.name not in diff.column_expressions
            and merging_engine(diff.form) == merging_engine(form)
            and role(diff.form, old) == role(form, column)
            and old.type == column.type
        )
        if not as_before:
            yield mark


def _mark(diff: TableDiff, column: ColumnForm) -> _Mark | None:
    form, value, engine = diff.target.form, quote_name(column.name), merging_engine(diff.target.form)
    if role(form, column) == REMOVE and engine == "ReplacingMergeTree":
        return _Mark(column.name, f"{value} NOT IN (0, 1)", f"hold neither 0 nor 1 in {column.name}")
    # With a version beside it every value is taken: which rows are combined then is counted elsewhere.
    if role(form, column) == REMOVE and engine == "CollapsingMergeTree":
        problem = f"hold neither 1 nor -1 in {column.name}"
        return _Mark(column.name, f"{value} NOT IN (1, -1)", problem, "merges would drop such a row")
    if combined_by(column.type).lower() in _OF_MAPS and combined_by_function(form, column):
        # A Map has as many values as keys.
        held = parse_type(parse_type(column.type).arguments[1])
        arrays = len(held.arguments) if held.name == "Tuple" else 0
        sizes = [
            f"length(tupleElement({value}, 1)) != length(tupleElement({value}, {n}))" for n in range(2, arrays + 1)
        ]
        return _Mark(column.name, " OR ".join(sizes), f"hold arrays of other sizes in {column.name}") if sizes else None
    return None
