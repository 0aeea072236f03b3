"""Checks that the default of a new column can be computed for the rows that are there.

An ALTER takes any default that the server can analyse. One that fails on a row (NULL into a type without NULL, a text
that does not parse) would make the column, and each ``SELECT *``, unreadable from then on; a copy would stop there.
"""

from __future__ import annotations

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.plan.data_checks.expressions import failure_on_rows, hashed
from aaiclick.plan.data_checks.unmergeable import failure_of_rows
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name


def failing_defaults(diff: TableDiff, data_name: str) -> Routine[tuple[str, Cost]]:
    """A sentence for each default that fails on a row ('' for none), and what it cost to find out. Nothing is looked at
    where that would read more than is allowed: such a default changes no value that is there."""
    names = [column.name for column in diff.target.form.columns]
    new = [column for column in _added(diff) if mentioned(column.expression, names)]
    if not new or not diff.live.rows or diff.reads_no_rows:
        return "", Cost()
    rows = future_rows(diff, data_name, [quote_name(column.name) for column in new], {})
    cost = yield from cost_of(diff, data_name, rows.read, ("defaults of new columns",))
    if cost.open:
        return "", Cost()
    values = [quote_name(column.name) for column in new]
    # All defaults in one pass; one by one only where that fails.
    if not (yield from failure_on_rows(diff.shards, [hashed(*values)], f"FROM {rows.source}")):
        return "", cost
    found: list[str] = []
    for column, value in zip(new, values, strict=True):
        one = f"FROM {future_rows(diff, data_name, [value], {}).source}"
        said = yield from failure_of_rows(diff.shards, [hashed(value)], one, f"{one} WHERE 0")
        if said:
            found.append(
                f"the default {column.expression} of the new column {column.name} cannot be computed for the rows that "
                f"are there (the engine: {said.partition(': while executing')[0]})"
            )
    return "; ".join(found), cost


def _added(diff: TableDiff) -> list[ColumnForm]:
    return [
        change.column
        for change in diff.changes
        if isinstance(change, AddColumn) and change.column.kind in ("DEFAULT", "MATERIALIZED")
    ]
