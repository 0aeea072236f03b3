"""Stored columns whose own expression stays while an ALIAS that it reads changes, or the type of a column. Pure."""

from __future__ import annotations

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.reached import through_aliases
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.types import unwrapped


def computed_otherwise(before: TableForm, after: TableForm) -> list[str]:
    """A sentence for each MATERIALIZED column that new rows compute otherwise: neither an ALTER nor a copy works out
    anew what a row holds. ``before``: the live form, with the names of ``after``."""
    live = {column.name: column for column in before.columns}
    changed = {
        column.name for column in after.columns if (old := live.get(column.name)) is not None and _changes(old, column)
    }
    if not changed:
        return []
    reached = through_aliases(after, changed)
    return [
        f"column {column.name}: MATERIALIZED {column.expression} reads {', '.join(sorted(read))}, which "
        "changes, for new rows"
        for column in after.columns
        if column.kind == "MATERIALIZED"
        and (old := live.get(column.name)) is not None
        # Its own change says it for itself.
        and (old.kind, old.expression) == (column.kind, column.expression)
        and (read := mentioned(column.expression, reached))
    ]


def _changes(old: ColumnForm, new: ColumnForm) -> bool:
    """Whether an expression may give another value over it. Only a LowCardinality, or that it may be NULL from now on,
    gives none."""
    if old.kind == "ALIAS":
        return (old.expression, old.type) != (new.expression, new.type)
    return old.type != new.type and unwrapped(old.type)[0] != unwrapped(new.type)[0]
