"""Columns that a change comes near, though it does not name them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tests.fuzz.schema import Column, Table
from tests.fuzz.types import quoted


def near(old: Table, new: Table) -> frozenset[str]:
    """The columns that differ, or come, or go, and those whose expression names one of them, also through others."""
    said = [{each.name: (each.type, each.kind, each.expr) for each in table.columns} for table in (old, new)]
    near = {name for name in {*said[0], *said[1]} if said[0].get(name) != said[1].get(name)}
    return with_readers((*old.columns, *new.columns), near)


def with_readers(columns: Sequence[Column], names: Collection[str]) -> frozenset[str]:
    """The names, and those of the columns whose expression names one of them, also through others."""
    found = set(names)
    while more := {
        each.name for each in columns if each.name not in found and any(quoted(name) in each.expr for name in found)
    }:
        found |= more
    return frozenset(found)


def sized_by_what_stays(old: Table, new: Table) -> frozenset[str]:
    """New parts of a Nested of which an older part is no longer declared: that one stays until it is dropped, so they
    get its size, which the table that is created directly does not know. With them the columns that read them."""
    names = {column.old_name for column in new.columns}
    gone = {column.name.partition(".")[0] for column in old.columns if "." in column.name and column.name not in names}
    found = {
        column.name
        for column in new.columns
        if column.type.name == "Array" and "." in column.name and column.name.partition(".")[0] in gone
        if (was := old.column(column.old_name)) is None or was.late
    }
    return with_readers(new.columns, found)
