"""Columns whose values follow from those of others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.sql.column_names import mentioned


def reached_by(changed: Iterable[str], *forms: TableForm) -> frozenset[str]:
    """``changed``, and the columns whose expressions read one of them, directly or through others."""
    found = set(changed)
    growing = True
    while growing:
        growing = False
        for column in (column for form in forms for column in form.columns):
            if column.name not in found and mentioned(column.expression, found):
                found.add(column.name)
                growing = True
    return frozenset(found)


def through_aliases(form: TableForm, columns: Collection[str]) -> frozenset[str]:
    """These columns, and every ALIAS that reads one of them, directly or through others."""
    found = set(columns)
    while True:
        more = {
            column.name
            for column in form.columns
            if column.kind == "ALIAS" and column.name not in found and mentioned(column.expression, found)
        }
        if not more:
            return frozenset(found)
        found |= more


def added_behind(present: Mapping[str, ColumnForm], wanted: TableForm) -> frozenset[str]:
    """New columns that have to be added behind the changes of the others: what their expressions read, also through
    other columns, gets another type or is an ALIAS that changes. ``present``: the live columns under their new names.

    Between an ADD and such a change the new column is what its expression gives over the old type, and a mutation or a
    merge stores that for good.
    """
    changed = _changed(present, wanted)
    reached = reached_by(changed, wanted) if changed else frozenset[str]()
    found: set[str] = set()
    after = ""
    for column in wanted.columns:
        # ADD names the column in front of it, which has to be there by then.
        if column.name not in present and (column.name in reached or after in found):
            found.add(column.name)
        after = column.name
    return frozenset(found)


def aliases_anew(present: Mapping[str, ColumnForm], wanted: TableForm, filled: Collection[str] = ()) -> frozenset[str]:
    """The ALIAS columns of ``present`` that are computed otherwise in ``wanted``, or over something else. ``filled``:
    columns that get other values."""
    reached = reached_by(_changed(present, wanted).union(filled), wanted)
    return frozenset(
        column.name
        for column in wanted.columns
        if column.kind == "ALIAS" and column.name in reached and column.name in present
    )


def _changed(present: Mapping[str, ColumnForm], wanted: TableForm) -> frozenset[str]:
    """Columns of both that get another type, or are an ALIAS that changes."""
    return frozenset(
        column.name
        for column in wanted.columns
        if (old := present.get(column.name)) is not None
        and (
            old.type != column.type
            or ("ALIAS" in (old.kind, column.kind) and (old.kind, old.expression) != (column.kind, column.expression))
        )
    )


def read_through(column: ColumnForm, form: TableForm) -> frozenset[str]:
    """The columns that a column's expression reads, directly or through others."""
    expressions = {each.name: each.expression for each in form.columns}
    found: set[str] = set()
    todo = [column.name]
    while todo:
        for name in mentioned(expressions[todo.pop()], expressions):
            if name not in found:
                found.add(name)
                todo.append(name)
    return frozenset(found)
