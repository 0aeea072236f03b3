"""A column while versions are applied to it one after the other: its value as an expression over the live columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.catalog.normalize import normal
from aaiclick.diff.conversion.convert import conversion, prepared
from aaiclick.diff.reached import aliases_anew, read_through
from aaiclick.sql.column_names import bound, names_in
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.versions.jumps.earlier_defaults import Added, is_another
from aaiclick.versions.version_changes import StoredAlias, VersionChange


@dataclass(frozen=True, slots=True)
class Cell:
    """A column while the versions are applied to it one after the other."""

    text: str
    """Its value, as an expression over the live columns."""
    type: str
    """Its type; '' where that is not known."""
    origin: str = ""
    """The live column that it still is; '' where it was computed."""
    added: Added | None = None
    """How a released form added it, with its default; None where no version between did."""
    computed: Added | None = None
    """How a released form computed it last, where it is a live ALIAS that a version between changed or stored, or a
    stored column that was an ALIAS on the way; else None."""
    stored: bool = False
    """True where it is still a live column that is stored."""
    sure: bool = True
    """False where a version without a released form may have changed its type."""
    way: tuple[tuple[int, str], ...] = ()
    """The types that versions gave a live column that is stored, each with the version's number."""


class UnknownValueError(Exception):
    """It is not known what an earlier version made of a column."""


def what_it_reads(column: ColumnForm, cells: Mapping[str, Cell]) -> dict[str, str]:
    """What the columns that a default may read are, as expressions over the live columns, with their types."""
    try:
        read: Collection[str] = names_in(column.expression)
    except TokenError:
        read = cells
    return {name: f"{cells[name].text} {cells[name].type}" for name in read if name in cells}


def bind(expression: str, cells: Mapping[str, Cell], change: VersionChange) -> str:
    """The expression with each column that an earlier version changed bound to what that made of it."""
    # A column that is still itself is not bound, so an expression over such columns stays as it was written.
    other = {name: cell for name, cell in cells.items() if cell.text != quote_name(name) or not cell.sure}
    if not other:
        return expression
    try:
        mentioned = [name for name in names_in(expression) if name in other]
    except TokenError as error:
        raise UnknownValueError(
            f"{change.label}: {expression} cannot be read ({error}), so which columns of earlier versions it reads "
            "nobody knows. Bring the database to the version before it first"
        ) from error
    for name in mentioned:
        if not cells[name].sure:
            raise UnknownValueError(
                f"{change.label} reads {change.before}.{name}, whose type an earlier version may have changed: no "
                "released form of that version is known."
                " Keep a schema.lock.json (aaiclick revision writes it), or bring the database to the version before "
                "it first"
            )
    if not mentioned:
        return expression
    hidden = next((name for name in mentioned if "." in name and _may_be_another(expression, name)), None)
    if hidden is not None:
        raise UnknownValueError(
            f"{change.label} reads {hidden}, which an earlier version makes or converts, and also "
            f"{hidden.partition('.')[0]} alone: which of the two is meant nobody knows. Bring the database to the "
            "version before it first"
        )
    return bound(expression, {name: cells[name].text for name in mentioned})


def _may_be_another(expression: str, name: str) -> bool:
    """True where ``n.a`` may also be an element of something called ``n``, such as a parameter of a lambda."""
    tokens, first = Tokens(expression), name.partition(".")[0]
    return any(
        token.kind in ("word", "name")
        and unquote(token.text) == first
        and not tokens.is_op(place + 1, ".")
        and not tokens.is_op(place + 1, "(")
        for place, token in enumerate(tokens.items)
    )


def in_released_form(
    cells: Mapping[str, Cell], was: TableForm, change: VersionChange, form: TableForm
) -> dict[str, Cell]:
    """The columns with the types of a released form, and the columns that it added."""
    after = dict(cells)
    former = {column.name: column for column in normal(was).columns}
    for column in form.columns:
        cell = after.get(column.name)
        if cell is None:
            continue
        # As a copy at that version would have converted it: two conversions in turn may give another value than one.
        if cell.type and cell.type != column.type and column.kind != "ALIAS":
            way = (*cell.way, (change.version, column.type)) if cell.origin and cell.stored else ()
            cell = replace(cell, text=conversion(cell.text, cell.type, column.type), type=column.type, way=way)
        if change.copied:  # the live column is what that copy made
            cell = replace(cell, way=())
        old = former.get(column.name)
        if (
            old is not None
            and old.kind == "ALIAS"
            and column.kind in ("", "DEFAULT")
            and not _holds_it(cell, old, change)
        ):
            cell = _settled(cell, old, column, change.label)
        after[column.name] = cell
    return with_aliases(after, was, change, form, new=True)


def _settled(cell: Cell, old: ColumnForm, column: ColumnForm, label: str) -> Cell:
    """An ALIAS that is stored from this version on: as what it was, whatever later versions make of what it reads."""
    before = cell.added or cell.computed
    first = replace(old, kind=column.kind or "DEFAULT")
    now = Added(label if before is None else before.label, first, before.reads if before is not None else {})
    return replace(cell, added=now) if cell.added is not None else replace(cell, computed=now)


def with_aliases(
    cells: Mapping[str, Cell], before: TableForm, change: VersionChange, form: TableForm, *, new: bool = False
) -> dict[str, Cell]:
    """The columns with each ALIAS that computes something else in ``form``, or is MATERIALIZED from then on; with
    ``new`` also those that it added."""
    after, given = dict(cells), dict[str, Cell]()
    filled = change.rebuild.columns if change.rebuild is not None else ()
    former = {column.name: column for column in normal(before).columns}
    anew = aliases_anew(former, normal(form), filled)
    anew |= {
        column.name
        for column in form.columns
        if new
        and column.kind == "MATERIALIZED"
        and (old := former.get(column.name)) is not None
        and old.kind == "ALIAS"
        and column.name not in filled
    }
    # What is read by another reads less than that one.
    for column in sorted(form.columns, key=lambda each: len(read_through(each, form))) if new or anew else ():
        if column.kind == "EPHEMERAL":
            given[column.name] = _by_default(column, {**after, **given})
            continue
        cell, old = after.get(column.name), former.get(column.name)
        if cell is not None and old is not None and _holds_it(cell, old, change):
            continue
        if column.name in anew and column.name in after:
            after[column.name] = _computed_anew(after[column.name], column, {**after, **given}, change.label)
        elif new and column.name not in after:
            after[column.name] = newly_added(column, {**after, **given}, change.label)
    return after


def _holds_it(cell: Cell, old: ColumnForm, change: VersionChange) -> bool:
    """True of a live column that is stored, and that a version made an ALIAS of: where the copy of that version is
    made, the column holds already what came of it."""
    return cell.stored and cell.computed is None and (change.copied or old.kind == "ALIAS")


def _computed_anew(cell: Cell, column: ColumnForm, cells: Mapping[str, Cell], label: str) -> Cell:
    """A column that is computed by another expression from now on, or over something else: what that is over the live
    columns."""
    try:
        text = bind(column.expression, cells, VersionChange(0, f"the {column.kind} {column.name}", "", ""))
    except UnknownValueError:
        # Whoever reads it is told: it is no longer what the live column is.
        unknown = Added(label, column, {})
        return replace(cell, text="", type=column.type, sure=False, computed=None if cell.added else unknown)
    now = Added(label, column, what_it_reads(column, cells))
    cell = replace(cell, text=cast_to(text, column.type), type=column.type)
    return replace(cell, added=now) if cell.added is not None else replace(cell, computed=now)


def stored_aliases(
    live: TableForm, cells: Mapping[str, Cell], last: Mapping[str, Cell], declared: TableForm
) -> dict[str, StoredAlias]:
    """Live ALIAS columns that are stored in the end, with other values than the live ALIAS or the declared expression
    has now, and whose values these are. ``last``: the columns as they are in the end."""
    found: dict[str, StoredAlias] = {}
    for name, cell in cells.items():
        column, old, first = declared.column(name), live.column(cell.origin), cell.computed
        if column is None or not column.stored or old is None or old.kind != "ALIAS" or first is None:
            continue
        if column.kind != "MATERIALIZED":
            other = cell.text != quote_name(cell.origin)  # else a copy reads it there
        else:
            other = is_another(first, column, what_it_reads(column, last))
        if other:
            if not cell.sure:
                raise UnknownValueError(
                    f"{first.label} stores what the ALIAS {name} was, and what that was is not known: bring the "
                    "database to that version first"
                )
            same = cell.text == quote_name(cell.origin)
            found[name] = StoredAlias(first.label, first.column.kind == "MATERIALIZED", same)
    return found


def unread_again(
    cells: Mapping[str, Cell], last: Mapping[str, Cell], unread: Collection[str], declared: TableForm
) -> dict[str, str]:
    """What columns hold that are stored, and that a version on the way made an ALIAS of: what they were there, or what
    MATERIALIZED makes of the rows. ``unread``: their declared names; ``last``: the columns as they are in the end."""
    found: dict[str, str] = {}
    for name in unread:
        column, cell = declared.column(name), cells.get(name)
        if column is None or cell is None or cell.computed is None:
            continue
        if column.kind == "MATERIALIZED" and cell.computed.column.kind == "ALIAS":
            cell = newly_added(column, as_converted(last, declared), cell.computed.label)
        if not cell.sure:
            raise UnknownValueError(
                f"what {name} was as an ALIAS is not known: bring the database to that version first"
            )
        found[name] = cell.text
    return found


def with_ephemeral(cells: Mapping[str, Cell], form: TableForm, *, new: bool = False) -> dict[str, Cell]:
    """The columns, and the EPHEMERAL ones as what their defaults give: rows that are there read that. ``new``: also
    the columns that are not there yet, or no longer: no name may be left that a live column answers to by chance."""
    found = dict(cells)
    given = [column for column in form.columns if column.kind == "EPHEMERAL" or (new and column.name not in cells)]
    for column in sorted(given, key=lambda each: len(read_through(each, form))):
        found[column.name] = _by_default(column, found)
    return found


def _by_default(column: ColumnForm, cells: Mapping[str, Cell]) -> Cell:
    """A column that rows which are there have no value of: whoever reads it reads its default."""
    try:
        return replace(newly_added(column, cells, ""), added=None)
    except UnknownValueError:
        return Cell(quote_name(column.name), column.type, sure=False)  # whoever reads it is told


def as_converted(cells: Mapping[str, Cell], declared: TableForm) -> dict[str, Cell]:
    """The columns as the last version converts them."""
    found = dict(as_declared_last(cells, declared))
    for name, cell in found.items():
        column = declared.column(name)
        if column is not None and cell.type and cell.type != column.type:
            found[name] = replace(cell, text=conversion(cell.text, cell.type, column.type), type=column.type)
    return found


def newly_added(column: ColumnForm, cells: Mapping[str, Cell], label: str) -> Cell:
    """A column that a version adds: what its default gives over the columns as they are then."""
    expression = column.expression or f"defaultValueOfTypeName({quote_string(column.type)})"
    text = bind(expression, cells, VersionChange(0, f"the default of {column.name}", "", ""))
    return Cell(cast_to(text, column.type), column.type, added=Added(label, column, what_it_reads(column, cells)))


def as_last_declared(cell: Cell, column: ColumnForm | None) -> str:
    """What a copy casts to the type of the declared column. An Enum inside of others would be cast by its number."""
    return (prepared(cell.text, cell.type, column.type) if cell.type and column is not None else "") or cell.text


def as_declared_last(cells: Mapping[str, Cell], declared: TableForm) -> dict[str, Cell]:
    """The columns as the last version has them: whichever version changed a type, it is the declared one by then."""
    found = dict(cells)
    for name, cell in cells.items():
        column = declared.column(name)
        if not cell.sure and column is not None:
            found[name] = replace(cell, text=cast_to(cell.text, column.type), type=column.type, sure=True)
    return found


def unsure_of_type(cell: Cell, last: ColumnForm | None) -> Cell:
    """A column after a version without a released form. Its type is known only where it is the same before and in the
    end."""
    if not cell.type and last is not None:
        return replace(cell, text=cast_to(cell.text, last.type), type=last.type)
    same = last is not None and last.type == cell.type
    return replace(cell, sure=cell.sure and same)


def cast_to(text: str, type_text: str) -> str:
    """The expression with a type."""
    return f"CAST({text}, {quote_string(type_text)})"


def alias_of(name: str, live: TableForm) -> str:
    """The expression of a live ALIAS; '' for any other column."""
    column = live.column(name)
    return column.expression if column is not None and column.kind == "ALIAS" else ""


def reads_the_same(name: str, cells: Mapping[str, Cell], live: TableForm, declared: TableForm) -> bool:
    """Whether the declared default gives what rows read as a live ALIAS: by the same expression, over columns that stay
    what they are."""
    old, new = live.column(name), declared.column(name)
    if old is None or new is None or old.kind != "ALIAS" or (old.type, old.expression) != (new.type, new.expression):
        return False
    try:
        read = [each for each in names_in(old.expression) if live.column(each) is not None]
    except TokenError:
        return False
    return all(
        each in cells
        and cells[each].text == quote_name(each)
        and live.column(each) == declared.column(each)
        and (stored := live.column(each)) is not None
        and stored.stored
        for each in read
    )
