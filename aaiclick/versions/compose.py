"""Several versions of one table in one copy: each column of the last one as an expression over the columns that are there now.

What a version's expression calls ``kwargs`` is what the versions before it made of that column, so the earlier expression is bound to the
name inside the later one. The binding is the engine's own: in ``arrayMap(kwargs -> <later>, [<earlier>])[1]`` the engine resolves names,
shadowing and subcolumns by its rules, which no replacement in the text could.
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


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What one version does to one table. ``table`` is its name from this version on, ``before`` the one until then. ``form`` is what the
    version released, None where nobody wrote that down (and for the last stage, whose form is the declaration)."""

    version: int
    label: str
    table: str
    before: str
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    rebuild: Rebuild | None = None
    in_place: bool = False
    form: TableForm | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """``columns``: expressions over the live columns by the new name. ``renames``: live name -> new name. ``where`` filters live rows. ``back``:
    expressions over the new columns by the live name, where a version on the way says how the way back goes.
    ``rebuilds``: the stages whose rebuild is in it. ``problem``: '' or why it cannot be put into one copy."""

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    renames: Mapping[str, str] = field(default_factory=dict[str, str])
    where: str = ""
    back: Mapping[str, str] = field(default_factory=dict[str, str])
    rebuilds: tuple[VersionChange, ...] = ()
    in_place: tuple[VersionChange, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Cell:
    """A column on the way. ``origin`` is the live column it still is ('' where it was computed); ``sure`` where its type is known."""

    text: str
    type: str
    origin: str = ""
    added: bool = False
    sure: bool = True


class _Unknown(Exception):  # noqa: N818 - never leaves this module
    """A name of which it is not known what an earlier version made of it."""


def compose(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> Composed:
    """Put the stages (oldest first) into one step from ``live`` to ``declared``. Raises ``MigrationError`` where columns change places on the way."""
    rebuilds = tuple(change for change in changes if change.rebuild is not None)
    in_place = tuple(change for change in changes if change.in_place)
    cells = {column.name: _Cell(quote_name(column.name), column.type, column.name) for column in live.columns if column.kind != "EPHEMERAL"}
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
            cells = _released(cells, change.form)
        elif not last:
            cells = {name: _unsure(cell, declared.column(_last_name(name, changes[place + 1 :]))) for name, cell in cells.items()}
    columns: dict[str, str] = {}
    renames: dict[str, str] = {}
    for name, cell in cells.items():
        if cell.origin:
            if cell.origin != name and declared.column(name) is not None:
                renames[cell.origin] = name
        elif (rebuilds or not cell.added) and (declared.column(name) is not None or live.column(name) is not None):
            columns[name] = cell.text
    swapped = circle(renames)
    if swapped:
        raise MigrationError(
            declared.name, f"columns {', '.join(swapped)} take each other's places on the way: migrate version by version, or fill them in a Rebuild"
        )
    back: Mapping[str, str] = {}
    try:
        back = _rollback_columns(live, changes, declared)
    except _Unknown as error:
        problem = problem or str(error)
    where = " AND ".join(f"({condition})" for condition in conditions) if len(conditions) > 1 else "".join(conditions)
    return Composed(columns, renames, where, back, rebuilds, in_place, problem)


def _rollback_columns(live: TableForm, changes: Sequence[VersionChange], declared: TableForm) -> dict[str, str]:
    """The live columns from the declared ones, newest version first, where a version says how."""
    if not any(change.rebuild is not None and change.rebuild.back for change in changes):
        return {}
    cells = {column.name: _Cell(quote_name(column.name), column.type, column.name) for column in declared.columns if column.kind != "EPHEMERAL"}
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
                raise _Unknown(f"{change.label} says how column {name} of {change.before} goes back, which the version before does not have")
            text = bind(expression, cells, change)
            kind = column.type if column is not None else ""
            below[name] = _Cell(_cast(text, kind) if kind else text, kind)
        cells = below
    found = {column.name: (cells[column.name], column.type) for column in live.columns if column.stored and column.name in cells}
    return {name: cell.text if cell.type == kind else _cast(cell.text, kind) for name, (cell, kind) in found.items() if not cell.origin}


def bound(expression: str, texts: Mapping[str, str]) -> str:
    """The expression with each name in it that ``texts`` gives another text for bound to that. Raises ValueError for a part of a Nested column."""
    mentioned = [name for name in _mentioned(expression) if texts.get(name, quote_name(name)) != quote_name(name)]
    if any("." in name for name in mentioned):
        raise ValueError(f"{expression}: a part of a Nested column cannot be bound")
    return _bind(expression, mentioned, [texts[name] for name in mentioned]) if mentioned else expression


def mentions(expression: str, name: str) -> bool:
    """Whether an expression may read a column."""
    return name in _mentioned(expression)


def _step(cells: Mapping[str, _Cell], change: VersionChange, conditions: list[str], declared: TableForm) -> dict[str, _Cell]:
    """Renames and expressions of one version; the expressions read the columns as they were before it, under their old names."""
    after = dict(cells)
    for old, new in applicable(with_leaves(change.renames, after), after):
        after[new] = after.pop(old)
    if change.rebuild is None:
        return after
    wanted = change.form if change.form is not None else declared
    for name, expression in change.rebuild.columns.items():
        known = wanted.column(name)
        if known is None and name not in after and change.form is not None:
            raise _Unknown(f"{change.label} fills column {name} of {change.table}, which version {change.version} does not have")
        text = bind(expression, cells, change)
        kind = known.type if known is not None and change.form is not None else ""
        after[name] = _Cell(_cast(text, kind) if kind else text, kind)
    if change.rebuild.where:
        conditions.append(bind(change.rebuild.where, cells, change))
    return after


def bind(expression: str, cells: Mapping[str, _Cell], change: VersionChange) -> str:
    """The expression with the names it mentions bound to what they are made of."""
    bound = {name: cell for name, cell in cells.items() if cell.text != quote_name(name) or not cell.sure}
    mentioned = [name for name in _mentioned(expression) if name in bound]
    for name in mentioned:
        if not cells[name].sure:
            raise _Unknown(
                f"{change.label} reads {change.before}.{name}, whose type an earlier version may have changed: nobody wrote down what that version released."
                " Keep a schema.lock.json (aaiclick revision writes it), or bring the database to the version before it first"
            )
    if not mentioned:
        return expression
    dotted = next((name for name in mentioned if "." in name), None)
    if dotted is not None:
        raise _Unknown(f"{change.label} reads the nested column {dotted}, which an earlier version makes. Bring the database to the version before it first")
    return _bind(expression, mentioned, [cells[name].text for name in mentioned])


def _bind(expression: str, mentioned: Sequence[str], texts: Sequence[str]) -> str:
    names = ", ".join(quote_name(name) for name in mentioned)
    arrays = ", ".join(f"[{text}]" for text in texts)
    arguments = names if len(mentioned) == 1 else f"({names})"
    return f"arrayMap({arguments} -> ({expression}), {arrays})[1]"


def _mentioned(expression: str) -> tuple[str, ...]:
    """The names an expression may read; more than it does is harmless. A function's name is none."""
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


def _released(cells: Mapping[str, _Cell], form: TableForm) -> dict[str, _Cell]:
    """The cells in the types of a released form, with the columns that it added."""
    after = dict(cells)
    for column in form.columns:
        cell = after.get(column.name)
        if cell is None:
            if column.kind != "EPHEMERAL":
                after[column.name] = _added(column, after)
        elif cell.type and cell.type != column.type:
            after[column.name] = replace(cell, text=conversion(cell.text, cell.type, column.type), type=column.type)
    return after


def _added(column: ColumnForm, cells: Mapping[str, _Cell]) -> _Cell:
    expression = column.expression or f"defaultValueOfTypeName({quote_string(column.type)})"
    text = bind(expression, cells, VersionChange(0, f"the default of {column.name}", "", ""))
    return _Cell(_cast(text, column.type), column.type, added=True)


def _last_name(name: str, changes: Sequence[VersionChange]) -> str:
    for change in changes:
        name = with_leaves(change.renames, (name,)).get(name, name)
    return name


def _unsure(cell: _Cell, last: ColumnForm | None) -> _Cell:
    """Behind a version of which nobody knows the form: a column is what it was only where its type is the same at both ends."""
    if not cell.type and last is not None:
        return replace(cell, text=_cast(cell.text, last.type), type=last.type)
    same = last is not None and last.type == cell.type
    return replace(cell, sure=cell.sure and same)


def _cast(text: str, type_text: str) -> str:
    return f"CAST({text}, {quote_string(type_text)})"
