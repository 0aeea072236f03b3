"""The rows that the checks of a table count, with columns under the names that the changes use."""

from __future__ import annotations

from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.sql.quoting import qualified, quote_name


def countable(diff: TableDiff) -> tuple[Change, ...]:
    """The changes that can fail on the data. A column that a migration fills with an expression is not converted,
    unless that is the conversion through the types of versions between."""
    return tuple(
        change
        for change in diff.changes
        if not (isinstance(change, RetypeColumn) and change.new.name in diff.column_expressions and not change.through)
    )


def counted_rows(diff: TableDiff, data_name: str) -> str:
    """FROM of a count: the live table (now called ``data_name``), with the plan's renames and its filter."""
    table = qualified(diff.database, data_name)
    if not diff.target.renames and not diff.where:
        return table
    renamed = [f"{quote_name(old)} AS {quote_name(new)}" for old, new in diff.target.renames]
    taken = {new for _, new in diff.target.renames}
    kept = [
        quote_name(column.name)
        for column in diff.form.columns
        if column.kind != "EPHEMERAL" and column.name not in taken
    ]
    where = f" WHERE {diff.where}" if diff.where else ""
    return f"(SELECT {', '.join([*kept, *renamed])} FROM {table}{where})"
