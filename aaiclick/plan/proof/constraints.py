"""Checks constraints over the rows as they will be: a row that an INSERT into the new table would refuse.

A CHECK that gives NULL counts as violated. An ALTER never checks the rows that are there, and a copy always does.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.forms import ConstraintForm
from aaiclick.clickhouse.messages import first_line, shortened
from aaiclick.clickhouse.shared.ask_shards import ask_shards, first_text
from aaiclick.diff.changes.constraints import ChangeConstraint
from aaiclick.errors import StatementError
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_that
from aaiclick.routine import Routine, number
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

_BEFORE = "_aaiclick_before"


def new_constraints(diff: TableDiff) -> tuple[ConstraintForm, ...]:
    """The constraints that are added or have another condition."""
    found: list[ConstraintForm] = []
    for change in diff.changes:
        if isinstance(change, ChangeConstraint) and change.new is not None:
            old = change.old
            # An ASSUME that becomes a CHECK was never checked either.
            if old is None or (old.kind, old.expression) != (change.new.kind, change.new.expression):
                found.append(change.new)
    return tuple(found)


def violated(diff: TableDiff, data_name: str, constraints: Sequence[ConstraintForm]) -> Routine[str]:
    """A sentence for each constraint that rows violate, with count and example; '' for none."""
    problems: list[str] = []
    for constraint in constraints:
        problems.append((yield from _violated(diff, data_name, constraint, "")))
    return "; ".join(problem for problem in problems if problem)


def newly_violated(diff: TableDiff, data_name: str, uses: Sequence[ColumnUse]) -> Routine[str]:
    """The same for constraints that stay, for rows that fulfil one now and would not with the new columns."""
    problems: list[str] = []
    kinds = {constraint.name: constraint for constraint in diff.target.form.constraints}
    for use in uses:
        problems.append((yield from _violated(diff, data_name, kinds[use.name], fulfilled(use.old[0]))))
    return "; ".join(problem for problem in problems if problem)


def fulfilled(expression: str) -> str:
    """An expression that is 1 for a row that passes, else 0."""
    return f"ifNull(({expression}) != 0, 0)"


def _violated(diff: TableDiff, data_name: str, constraint: ConstraintForm, before: str) -> Routine[str]:
    expression = constraint.expression
    shown = sorted(mentioned(expression, [column.name for column in diff.target.form.columns]))
    rows = future_rows(diff, data_name, [expression, *map(quote_name, shown)], {_BEFORE: before} if before else {})
    condition = f"NOT {fulfilled(expression)}{f' AND {_BEFORE}' if before else ''}"
    example = f"toString(tuple({', '.join(map(quote_name, shown))}))" if shown else "''"
    try:
        columns = [f"toUInt64(countIf({condition}))", f"anyIf({example}, {condition})"]
        answer = yield from ask_shards(diff.shards, columns, f"FROM {rows.source}", COMPARE_SETTINGS, long=True)
    except StatementError as error:
        # No answer of the server: the connection failed.
        if error.code == 0:
            raise
        return (
            f"whether rows fulfil the constraint {constraint.name} ({expression}) cannot be told (the engine: "
            f"{first_line(str(error))})"
        )
    count, found = sum(number(row[0]) for row in answer), first_text(row[1] for row in answer)
    if not count:
        return ""
    said = rows_that(count, f"violate the constraint {constraint.name} ({expression})")
    return f"{said}, for instance {shortened(found)}"
