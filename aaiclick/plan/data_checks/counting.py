"""What the checks of a table are asked about: the live rows, with columns under the names that the changes know them by."""

from __future__ import annotations

from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.plan.strategies.context import TableCase
from aaiclick.sql.quoting import qualified, quote_name


def countable(case: TableCase) -> tuple[Change, ...]:
    """The changes that can fail on the data. A column that a migration fills by an expression is not converted."""
    return tuple(change for change in case.changes if not (isinstance(change, RetypeColumn) and change.new.name in case.overrides))


def counted_rows(case: TableCase, data_name: str) -> str:
    """The FROM of a count: the live table (now called ``data_name``), its rows filtered and renamed as the plan will."""
    table = qualified(case.database, data_name)
    if not case.target.renames and not case.where:
        return table
    renamed = [f"{quote_name(old)} AS {quote_name(new)}" for old, new in case.target.renames]
    taken = {new for _, new in case.target.renames}
    kept = [quote_name(column.name) for column in case.form.columns if column.kind != "EPHEMERAL" and column.name not in taken]
    where = f" WHERE {case.where}" if case.where else ""
    return f"(SELECT {', '.join([*kept, *renamed])} FROM {table}{where})"
