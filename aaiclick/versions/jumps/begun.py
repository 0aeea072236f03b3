"""Where a way over versions goes on that an earlier run has begun on a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.sql.quoting import quote_name
from aaiclick.versions.jumps.cells import Cell
from aaiclick.versions.jumps.earlier_defaults import last_name
from aaiclick.versions.version_changes import Reached, VersionChange


@dataclass(frozen=True, slots=True)
class Start:
    """What the versions that are left are applied to."""

    form: TableForm
    """The table as it was before an ALTER was begun: without the columns that this has brought to their end, and under
    the names of then."""
    cells: Mapping[str, Cell]
    """Its columns."""
    ended: Mapping[str, Cell]
    """Columns that hold already what the versions up to ``until`` make of them. They are left alone until then."""
    until: int
    """The version that the ALTER leads to."""
    names: Mapping[str, str]
    """Its live columns of all kinds, by their names before that ALTER."""
    settled: frozenset[str] = frozenset()
    """Live columns that have the names of ``until``."""


def still_to_come(changes: Sequence[VersionChange], reached: Reached | None) -> tuple[VersionChange, ...]:
    """The changes without those that the rows have behind them."""
    return tuple(change for change in changes if reached is None or change.version > reached.version)


def start_of(live: TableForm, changes: Sequence[VersionChange], reached: Reached | None) -> Start:
    """``changes``: those that are still to come."""
    if reached is None or reached.columns is None:
        return Start(live, _cells(live), {}, 0, {column.name: column.name for column in live.columns})
    before = reached.columns
    until = [change for change in changes if change.version <= reached.until]
    # A column that is gone, and there under its last name, was renamed by that ALTER.
    last = {last_name(name, until): name for name in before if live.column(name) is None}
    former = {new: old for new, old in last.items() if new not in before and live.column(new) is not None}
    ended = {
        column.name: _cell(column)
        for column in live.columns
        if before.get(former.get(column.name, column.name)) is not column.stored and _holds(column)
    }
    kept = tuple(column for column in live.columns if column.name in before or column.name in former)
    kept = tuple(column for column in kept if column.name not in ended)
    form = renamed_form(replace(live, columns=kept), tuple(former.items()))
    cells = {former.get(column.name, column.name): _cell(column) for column in kept if _holds(column)}
    own = {column.name for column in live.columns if column.name in before or column.name in former}
    names = {former.get(name, name): name for name in own}
    return Start(form, cells, ended, reached.until, names, frozenset(column.name for column in live.columns) - own)


def _cells(live: TableForm) -> dict[str, Cell]:
    return {column.name: _cell(column) for column in live.columns if _holds(column)}


def _cell(column: ColumnForm) -> Cell:
    return Cell(quote_name(column.name), column.type, column.name, stored=column.stored)


def _holds(column: ColumnForm) -> bool:
    # An EPHEMERAL column is not stored: there is nothing that a version could make of it.
    return column.kind != "EPHEMERAL"
