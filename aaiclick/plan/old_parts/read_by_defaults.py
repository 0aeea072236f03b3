"""The default of a new column reads columns that old parts do not hold.

Where a part lacks a column without a default of its own, and another column's default reads it, the server puts a
literal in its place: 0 for a Date, for an Enum and for every number, '' for a FixedString, NULL without a type. The
default then gives another value than over the column (`toString` of a Date is `0`), or the query fails (`toYear(0)`, an
element of a tuple), and so does every merge. So the new column is written for the rows that are there: the mutation
reads the column with its type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.diff.changes.materialize_columns import MaterializeColumns
from aaiclick.diff.target import live_column
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.proof.column_uses import through_aliases
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned

LITERALS = frozenset({"String", "UInt8", "Float64"})
"""Types of which the literal is a value of the type itself."""


def written_over_absent(diff: TableDiff, data_name: str, changes: Sequence[Change]) -> Routine[tuple[Change, ...]]:
    """The changes; a new column whose default reads such a column is also written for the rows that are there."""
    added = [change for change in changes if isinstance(change, AddColumn)]
    read = {
        change.column.name: frozenset(_read(diff, change.column))
        for change in added
        if change.column.kind in ("DEFAULT", "MATERIALIZED") and not change.written
    }
    if not diff.live.rows or not any(read.values()):
        return tuple(changes)
    absent = {change.column.name for change in added}
    written = {pin.column.name for change in changes if isinstance(change, MaterializeColumns) for pin in change.pins}
    there = {
        name: old.name
        for name in frozenset[str]().union(*read.values()) - absent
        if (old := live_column(diff.form, diff.target.renames, name)) is not None and old.name not in written
    }
    if there:
        held = yield from held_columns(diff.database, data_name, diff.hosts)
        absent |= {name for name, old in there.items() if held.lacking(old)}
    return tuple(
        replace(change, written=True)
        if isinstance(change, AddColumn) and read.get(change.column.name, frozenset()) & absent
        else change
        for change in changes
    )


def _read(diff: TableDiff, column: ColumnForm) -> Iterator[str]:
    """Columns without a default that its default reads, also through an ALIAS."""
    form = diff.target.form
    for other in form.columns:
        if (
            not other.kind
            and other.type not in LITERALS
            and mentioned(column.expression, through_aliases(form, [other.name]))
        ):
            yield other.name
