"""Stored columns whose own expression stays while an ALIAS that it reads changes. Pure."""

from __future__ import annotations

from aaiclick.catalog.forms import TableForm
from aaiclick.sql.column_names import mentioned


def computed_otherwise(before: TableForm, after: TableForm) -> list[str]:
    """A sentence for each MATERIALIZED column that new rows compute otherwise: neither an ALTER nor a copy works out
    anew what a row holds. ``before``: the live form, with the names of ``after``."""
    live = {column.name: column for column in before.columns}
    changed = {
        column.name
        for column in after.columns
        if (old := live.get(column.name)) is not None
        and old.kind == "ALIAS"
        and (old.expression, old.type) != (column.expression, column.type)
    }
    # From one ALIAS to those over it, until none more is found.
    reached, growing = set(changed), bool(changed)
    while growing:
        more = {
            column.name
            for column in after.columns
            if column.kind == "ALIAS" and column.name not in reached and mentioned(column.expression, reached)
        }
        reached |= more
        growing = bool(more)
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
