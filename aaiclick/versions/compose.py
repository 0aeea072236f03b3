"""Several versions of one table in one copy: each column of the newest version as an expression over the live columns.

A migration's expression reads columns as the versions before it left them. So the earlier expression is bound to the
column's name inside the later one: ``arrayMap(kwargs -> <later>, [<earlier>])[1]``. The engine resolves names,
shadowing and subcolumns in there by its own rules. Replacing names in the text could not do that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.conversion.convert import conversion
from aaiclick.errors import MigrationError
from aaiclick.specs.migrations import Rebuild
from aaiclick.specs.renames import applicable, circle, with_leaves
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.versions.earlier_defaults import Added, is_another


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What one version does to one table."""

    version: int
    """The number of the version."""
    label: str
    """What people call its migration: ``0002_sort_key.sql``; ``version 2`` where it has none."""
    table: str
    """Name of the table from this version on."""
    before: str
    """Name of the table until this version."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """Renames of columns that its migration lists, old -> new."""
    rebuild: Rebuild | None = None
    """Expressions and filter of its migration; None where it has none, or the copy was made already."""
    in_place: bool = False
    """True where the migration says ``strategy: alter``: anything but an ALTER is refused."""
    form: TableForm | None = None
    """The released form of the table; None where no lock file has it, and for the newest version, whose form is the
    declaration."""
    doubt: str = ""
    """Why nobody knows whether the copy was made already; '' where it was not."""
    allow: str = ""
    """The key that allows it all the same."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The changes of several versions put together, for one copy."""

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Expression over the live columns for each column of the declaration that a migration fills."""
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    """Renames over all versions: live name -> declared name."""
    where: str = ""
    """Condition on the live rows, as SQL; '' for all rows."""
    back: Mapping[str, str] = field(default_factory=dict[str, str])
    """Expression over the declared columns for live columns, for a rollback; empty where no migration says how."""
    rebuilds: tuple[VersionChange, ...] = ()
    """The versions whose expressions are in it."""
    in_place: tuple[VersionChange, ...] = ()
    """The versions that allow no copy."""
    problem: str = ""
    """Why the versions cannot be put into one copy; '' where they can."""
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    """Columns that a version added with another default than the declared one, and what people call that version."""

    @property
    def fills(self) -> bool:
        """True where only a copy gives the columns what the versions between say."""
        return bool(self.rebuilds or self.defaults)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A column while the versions are applied to it one after the other."""

    text: str
    """Its value, as an expression over the live columns."""
    type: str
    """Its type; '' where that is not known."""
    origin: str = ""
    """The live column that it still is; '' where it was computed."""
    added: Added | None = None
    """How a released form added it, with its default; None where no version between did."""
    sure: bool = True
    """False where a version without a released form may have changed its type."""


class _Unknown(Exception):  # noqa: N818 - never leaves this module
    """It is not known what an earlier version made of a column."""


def compose(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> Composed:
    """The changes (oldest first) as one step from ``live`` to ``declared``.

    Raises ``MigrationError`` where columns swap names on the way.
    """
    rebuilds = tuple(change for change in changes if change.rebuild is not None)
    in_place = tuple(change for change in changes if change.in_place)
    cells = {
        column.name: _Cell(quote_name(column.name), column.type, column.name)
        for column in live.columns
        if column.kind != "EPHEMERAL"
    }
    conditions: list[str] = []
    problem = ""
    for place, change in enumerate(changes):
        last = place == len(changes) - 1
        try:
            cells = _step(cells, change, conditions, declared)
        except _Unknown as error:
            problem = problem or str(error)
            continue
        if change.form is not None and not last:
            cells = _released(cells, change.form, change.label)
        elif not last:
            cells = {
                name: _unsure(cell, declared.column(_last_name(name, changes[place + 1 :])))
                for name, cell in cells.items()
            }
    columns: dict[str, str] = {}
    renames: dict[str, str] = {}
    defaults = _earlier_defaults(cells, declared) if not problem else {}
    for name, cell in cells.items():
        if cell.origin:
            if cell.origin != name and declared.column(name) is not None:
                renames[cell.origin] = name
        elif (rebuilds or defaults or cell.added is None) and (
            declared.column(name) is not None or live.column(name) is not None
        ):
            columns[name] = cell.text
    # The engine refuses to rename two columns to each other in one ALTER (error 48), and by way of a third name a run
    # that is killed in between could not tell how far it came.
    swapped = circle(renames)
    if swapped:
        raise MigrationError(
            declared.name,
            f"columns {', '.join(swapped)} swap names on the way: migrate version by version, or fill them in a "
            "Rebuild",
        )
    back: Mapping[str, str] = {}
    try:
        back = _rollback_columns(live, changes, declared)
    except _Unknown as error:
        problem = problem or str(error)
    where = " AND ".join(f"({condition})" for condition in conditions) if len(conditions) > 1 else "".join(conditions)
    return Composed(columns, renames, where, back, rebuilds, in_place, problem, defaults)


def _earlier_defaults(cells: Mapping[str, _Cell], declared: TableForm) -> dict[str, str]:
    """Columns that have to be filled with the default of the version that added them."""
    found: dict[str, str] = {}
    for name, cell in cells.items():
        column = declared.column(name)
        if cell.added is not None and column is not None and is_another(cell.added, column, _read(column, cells)):
            found[name] = cell.added.label
    return found


def _read(column: ColumnForm, cells: Mapping[str, _Cell]) -> dict[str, str]:
    """What the columns that a default may read are, as expressions over the live columns."""
    return {name: cells[name].text for name in _mentioned(column.expression) if name in cells}


def _rollback_columns(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> dict[str, str]:
    """The live columns as expressions over the declared ones, from the newest version to the oldest, where migrations
    say how."""
    if not any(change.rebuild is not None and change.rebuild.back for change in changes):
        return {}
    cells = {
        column.name: _Cell(quote_name(column.name), column.type, column.name)
        for column in declared.columns
        if column.kind != "EPHEMERAL"
    }
    for place in range(len(changes) - 1, -1, -1):
        change = changes[place]
        form = changes[place - 1].form if place else live
        below = dict(cells)
        for old, new in change.renames.items():
            if new in below:
                below[old] = below.pop(new)
        for name, expression in (change.rebuild.back if change.rebuild is not None else {}).items():
            column = form.column(name) if form is not None else None
            if form is not None and column is None:
                raise _Unknown(
                    f"{change.label} has a rollback expression for column {name} of {change.before}, which the "
                    "version before does not have"
                )
            text = bind(expression, cells, change)
            kind = column.type if column is not None else ""
            below[name] = _Cell(_cast(text, kind) if kind else text, kind)
        cells = below
    found = {
        column.name: (cells[column.name], column.type)
        for column in live.columns
        if column.stored and column.name in cells
    }
    return {
        name: cell.text if cell.type == kind else _cast(cell.text, kind)
        for name, (cell, kind) in found.items()
        if not cell.origin
    }


def bound(expression: str, texts: Mapping[str, str]) -> str:
    """The expression with names bound to other expressions.

    Raises ``ValueError`` for a column of a Nested: its name has a dot, and a lambda's parameter cannot.
    """
    mentioned = [name for name in _mentioned(expression) if texts.get(name, quote_name(name)) != quote_name(name)]
    if any("." in name for name in mentioned):
        raise ValueError(f"{expression}: a part of a Nested column cannot be bound")
    return _bind(expression, mentioned, [texts[name] for name in mentioned]) if mentioned else expression


def mentions(expression: str, name: str) -> bool:
    """True where an expression may read the column."""
    return name in _mentioned(expression)


def _step(
    cells: Mapping[str, _Cell], change: VersionChange, conditions: list[str], declared: TableForm
) -> dict[str, _Cell]:
    """Apply one version. Its expressions read the columns as they were before it, under their old names."""
    after = dict(cells)
    for old, new in applicable(with_leaves(change.renames, after), after):
        after[new] = after.pop(old)
    if change.rebuild is None:
        return after
    wanted = change.form if change.form is not None else declared
    for name, expression in change.rebuild.columns.items():
        known = wanted.column(name)
        if known is None and name not in after and change.form is not None:
            raise _Unknown(
                f"{change.label} fills column {name} of {change.table}, which version {change.version} does not have"
            )
        text = bind(expression, cells, change)
        kind = known.type if known is not None and change.form is not None else ""
        after[name] = _Cell(_cast(text, kind) if kind else text, kind)
    if change.rebuild.where:
        conditions.append(bind(change.rebuild.where, cells, change))
    return after


def bind(expression: str, cells: Mapping[str, _Cell], change: VersionChange) -> str:
    """The expression with each column that an earlier version changed bound to what that made of it."""
    bound = {name: cell for name, cell in cells.items() if cell.text != quote_name(name) or not cell.sure}
    mentioned = [name for name in _mentioned(expression) if name in bound]
    for name in mentioned:
        if not cells[name].sure:
            raise _Unknown(
                f"{change.label} reads {change.before}.{name}, whose type an earlier version may have changed: no "
                "released form of that version is known."
                " Keep a schema.lock.json (aaiclick revision writes it), or bring the database to the version before "
                "it first"
            )
    if not mentioned:
        return expression
    dotted = next((name for name in mentioned if "." in name), None)
    if dotted is not None:
        raise _Unknown(
            f"{change.label} reads the nested column {dotted}, which an earlier version makes. Bring the database to "
            "the version before it first"
        )
    return _bind(expression, mentioned, [cells[name].text for name in mentioned])


def _bind(expression: str, mentioned: Sequence[str], texts: Sequence[str]) -> str:
    names = ", ".join(quote_name(name) for name in mentioned)
    arrays = ", ".join(f"[{text}]" for text in texts)
    arguments = names if len(mentioned) == 1 else f"({names})"
    return f"arrayMap({arguments} -> ({expression}), {arrays})[1]"


def _mentioned(expression: str) -> tuple[str, ...]:
    """Names that an expression may read. Too many do no harm; names of functions are left out."""
    try:
        tokens = Tokens(expression)
    except TokenError:
        return ()
    found: dict[str, None] = {}
    for place, token in enumerate(tokens.items):
        if token.kind not in ("word", "name") or tokens.is_op(place + 1, "("):
            continue
        found[unquote(token.text)] = None
        if tokens.is_op(place + 1, ".") and tokens.is_kind(place + 2, "word", "name"):
            found[f"{unquote(token.text)}.{unquote(tokens.items[place + 2].text)}"] = None
    return tuple(found)


def _released(cells: Mapping[str, _Cell], form: TableForm, label: str) -> dict[str, _Cell]:
    """The columns with the types of a released form, and the columns that it added."""
    after = dict(cells)
    for column in form.columns:
        cell = after.get(column.name)
        if cell is None:
            if column.kind != "EPHEMERAL":
                after[column.name] = _added(column, after, label)
        elif cell.type and cell.type != column.type:
            after[column.name] = replace(cell, text=conversion(cell.text, cell.type, column.type), type=column.type)
    return after


def _added(column: ColumnForm, cells: Mapping[str, _Cell], label: str) -> _Cell:
    expression = column.expression or f"defaultValueOfTypeName({quote_string(column.type)})"
    text = bind(expression, cells, VersionChange(0, f"the default of {column.name}", "", ""))
    return _Cell(_cast(text, column.type), column.type, added=Added(label, column, _read(column, cells)))


def _last_name(name: str, changes: Sequence[VersionChange]) -> str:
    for change in changes:
        name = with_leaves(change.renames, (name,)).get(name, name)
    return name


def _unsure(cell: _Cell, last: ColumnForm | None) -> _Cell:
    """A column after a version without a released form. Its type is known only where it is the same before and in the
    end."""
    if not cell.type and last is not None:
        return replace(cell, text=_cast(cell.text, last.type), type=last.type)
    same = last is not None and last.type == cell.type
    return replace(cell, sure=cell.sure and same)


def _cast(text: str, type_text: str) -> str:
    return f"CAST({text}, {quote_string(type_text)})"
