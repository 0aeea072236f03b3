"""Columns whose values follow from those of others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

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


def readers_first(names: Sequence[str], form: TableForm) -> dict[str, tuple[str, ...]]:
    """The columns in the order in which the server drops them, each with those of them that may read it, directly or
    through others: it refuses to drop what the default or the TTL of another column reads."""
    readers = {name: [other for other in names if other != name and _reads(form, other, name)] for name in names}
    ordered: dict[str, tuple[str, ...]] = {}

    def take(name: str, behind: tuple[str, ...]) -> None:
        for reader in readers[name]:
            # By their words alone two columns may seem to read each other; the server takes no such circle.
            if reader not in ordered and reader not in behind:
                take(reader, (*behind, name))
        before = (each for reader in readers[name] if reader in ordered for each in (reader, *ordered[reader]))
        ordered[name] = tuple(dict.fromkeys(before))

    for name in names:
        if name not in ordered:
            take(name, ())
    return ordered


def _reads(form: TableForm, reader: str, name: str) -> bool:
    column = form.column(reader)
    return column is not None and any(text and mentioned(text, [name]) for text in (column.expression, column.ttl))


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
