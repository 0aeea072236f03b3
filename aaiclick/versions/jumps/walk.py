"""What versions make of a table, one after the other: each column as an expression over the live ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.specs.renames import applicable, with_leaves
from aaiclick.versions.jumps.begun import Start
from aaiclick.versions.jumps.cells import (
    Cell,
    UnknownValueError,
    bind,
    cast_to,
    in_released_form,
    unsure_of_type,
    with_aliases,
    with_ephemeral,
)
from aaiclick.versions.jumps.earlier_defaults import last_name
from aaiclick.versions.jumps.names import LiveNames
from aaiclick.versions.version_changes import VersionChange


@dataclass(frozen=True, slots=True)
class Walk:
    """What the versions have made of the live columns."""

    cells: Mapping[str, Cell]
    """The columns after the last of them."""
    last: Mapping[str, Cell]
    """The same, with each ALIAS as it is declared."""
    names: LiveNames
    """What the live columns are called after the last of them."""
    earlier: LiveNames
    """The same before the last one."""
    conditions: Sequence[str]
    """The filters, over the live rows."""
    dropped: Mapping[str, tuple[VersionChange, str]]
    """Live columns that are dropped on the way: by which version, and under which name."""
    unread: Mapping[str, tuple[VersionChange, str]]
    """Live columns that are stored, and an ALIAS on the way: by their last names, in which version, and under which
    name."""
    problem: str
    """Why they cannot be put together; '' where they can."""


def walked(start: Start, changes: Sequence[VersionChange], declared: TableForm) -> Walk:
    """The columns behind all of the versions, oldest first."""
    cells: Mapping[str, Cell] = start.cells
    conditions: list[str] = []
    problem = ""
    dropped: dict[str, tuple[VersionChange, str]] = {}
    unread: dict[str, tuple[VersionChange, str]] = {}
    names = earlier = LiveNames(start.names)
    known = start.form
    for place, change in enumerate(changes):
        last = place == len(changes) - 1
        form = declared if last else change.form
        earlier, names = names, names.renamed(change)
        origins, names = names.live, names.ended(change, form)
        if change.renames:
            columns = [column.name for column in known.columns]
            known = renamed_form(known, tuple(with_leaves(change.renames, columns).items()))
        try:
            # Oldest first: the expressions of a version are over the columns that the one before it has left.
            after = _step(cells, change, conditions, declared)
        except UnknownValueError as error:
            problem = problem or str(error)
            continue
        cells = _without_dropped(after, change, form, origins, dropped, last=last)
        # Not to the declared types: from the last form on the plan converts.
        if change.form is not None and not last:
            for name in _made_aliases(cells, known, change, change.form):
                unread.setdefault(last_name(name, changes[place + 1 :]), (change, name))
            try:
                cells = in_released_form(cells, known, change, change.form)
            except UnknownValueError as error:
                problem = problem or str(error)
            known = change.form
        elif not last:
            cells = {
                name: unsure_of_type(cell, declared.column(last_name(name, changes[place + 1 :])))
                for name, cell in cells.items()
            }
        if _ends(start, changes, place):
            # An ALTER has brought them to what this version makes of them, and rows that came since hold their own.
            names = names.settled({*start.ended, *start.settled})
            cells = {**cells, **start.ended}
            dropped = {name: one for name, one in dropped.items() if name not in start.ended}
            here = {last_name(name, changes[place + 1 :]) for name in start.ended}
            unread = {name: one for name, one in unread.items() if name not in here}
    made = any(cell.added is not None or cell.computed is not None for cell in cells.values())
    final = with_aliases(cells, known, changes[-1], declared) if made else cells
    return Walk(cells, with_ephemeral(final, declared), names, earlier, conditions, dropped, unread, problem)


def _without_dropped(
    cells: dict[str, Cell],
    change: VersionChange,
    form: TableForm | None,
    origins: Mapping[str, str],
    dropped: dict[str, tuple[VersionChange, str]],
    *,
    last: bool,
) -> dict[str, Cell]:
    """The columns without those that a version drops, or makes EPHEMERAL; ``dropped`` gets them. ``origins``: the live
    columns that they are."""
    # To allow a drop is no drop yet: only where the form of that version lacks the column is it gone.
    for name in sorted(change.dropped & set(cells)):
        if form is None or form.column(name) is None:
            if origins.get(name):
                dropped[origins[name]] = (change, name)
            del cells[name]
    for name in [] if form is None or last or change.copied else _made_ephemeral(cells, form):
        if origins.get(name):
            dropped.setdefault(origins[name], (change, name))
        del cells[name]
    return cells


def _ends(start: Start, changes: Sequence[VersionChange], place: int) -> bool:
    """Whether this is the last version up to the one that an ALTER was about to lead to."""
    upto = [at for at, change in enumerate(changes) if change.version <= start.until]
    return bool(start.ended and upto) and upto[-1] == place


def _made_ephemeral(cells: Mapping[str, Cell], form: TableForm) -> list[str]:
    """Columns that are no longer stored, nor computed: a later version that stores one begins with its default."""
    return [column.name for column in form.columns if column.kind == "EPHEMERAL" and column.name in cells]


def _made_aliases(cells: Mapping[str, Cell], known: TableForm, change: VersionChange, form: TableForm) -> list[str]:
    """Live columns that are stored until this version, which makes an ALIAS of them."""
    if change.copied:
        return []
    return [
        column.name
        for column in form.columns
        if column.kind == "ALIAS"
        and (cell := cells.get(column.name)) is not None
        and cell.stored
        and (old := known.column(column.name)) is not None
        and old.stored
    ]


def _step(
    cells: Mapping[str, Cell], change: VersionChange, conditions: list[str], declared: TableForm
) -> dict[str, Cell]:
    """Apply one version. Its expressions read the columns as they were before it, under their old names."""
    after = dict(cells)
    # In an order in which no new name is still taken by another column.
    for old, new in applicable(with_leaves(change.renames, after), after):
        after[new] = after.pop(old)
    if change.rebuild is None:
        return after
    wanted = change.form if change.form is not None else declared
    for name, expression in change.rebuild.columns.items():
        known = wanted.column(name)
        if known is None and name not in after and change.form is not None:
            raise UnknownValueError(
                f"{change.label} fills column {name} of {change.table}, which version {change.version} does not have"
            )
        text = bind(expression, cells, change)
        kind = known.type if known is not None and change.form is not None else ""
        after[name] = Cell(cast_to(text, kind) if kind else text, kind)
    if change.rebuild.where:
        conditions.append(bind(change.rebuild.where, cells, change))
    return after
