"""The default of a new column reads columns that old parts do not hold.

Where a part lacks a column without a default of its own, and another column's default reads it, the server puts a
literal in its place: 0 for a Date, for an Enum and for every number, '' for a FixedString, NULL without a type. The
default then gives another value than over the column (`toString` of a Date is `0`), or the query fails (`toYear(0)`, an
element of a tuple), and so does every merge. So the new column is written for the rows that are there: the mutation
reads the column with its type.

Where it reads a column that a part lacks under a name with a dot (`n.b`, `a.size0`), with a default or without one, the
query knows no such name (47): in the default of a missing column only the whole name stands for a column. The mutation
knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.diff.changes.materialize_columns import MaterializeColumns
from aaiclick.diff.reached import through_aliases
from aaiclick.diff.target import live_column
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned, read_by_dotted_names

LITERALS = frozenset({"String", "UInt8", "Float64"})
"""Types of which the literal is a value of the type itself."""


def written_over_absent(diff: TableDiff, data_name: str, changes: Sequence[Change]) -> Routine[tuple[Change, ...]]:
    """The changes; a new column whose default reads such a column is also written for the rows that are there."""
    form = diff.target.form
    added = [change for change in changes if isinstance(change, AddColumn)]
    read = {
        change.column.name: _bare(form, change.column) | under_dotted_names(form, change.column)
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


def _bare(form: TableForm, column: ColumnForm) -> frozenset[str]:
    """Columns without a default that its default reads, also through an ALIAS."""
    return frozenset(
        other.name
        for other in form.columns
        if not other.kind
        and other.type not in LITERALS
        and mentioned(column.expression, through_aliases(form, [other.name]))
    )


def under_dotted_names(form: TableForm, column: ColumnForm) -> frozenset[str]:
    """Columns that the expression of a column reads under a name with a dot, also through an ALIAS. No part holds those
    that are an ALIAS themselves."""
    names = [each.name for each in form.columns]
    aliases = {each.name: each.expression for each in form.columns if each.kind == "ALIAS"}
    found: set[str] = set()
    seen: set[str] = set()
    todo = [column.expression]
    while todo:
        expression = todo.pop()
        found |= read_by_dotted_names(expression, names)
        through = mentioned(expression, aliases.keys() - seen)
        seen |= through
        todo += [aliases[name] for name in through]
    return frozenset(found - {column.name})
