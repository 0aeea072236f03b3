"""How the columns of an older table are filled from a newer one, through all the tables in between. Pure.

Rows that came to a newer table never had the older form, so there is no right answer to compare with. What counts is
that nothing is lost: migrated forward once more, each row has to come out as it is now. So each expression that filled
a column is evaluated over what the old columns would hold, and has to give the value that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aaiclick.apply.rollback.inverses import undone
from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.conversion import values
from aaiclick.diff.conversion.convert import conversion
from aaiclick.plan.operations import CopyColumn
from aaiclick.sql.column_names import bound, mentions
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.state.kept_tables import KeptRow


@dataclass(frozen=True, slots=True)
class Link:
    """A kept table, and how the table that replaced it was made from it."""

    row: KeptRow
    """The kept table."""
    forward: tuple[CopyColumn, ...] = ()
    """How the columns of the newer table were filled; empty: no copy is known."""
    filtered: bool = False
    """Some rows were left out on purpose."""
    renames: tuple[tuple[str, str], ...] = ()
    """Columns of the newer table that were renamed later, as (old name, new name)."""
    back: tuple[CopyColumn, ...] = ()
    """How the old columns are filled from the new ones, as the migration says; empty: it says nothing."""
    known: bool = True
    """False where the journal holds no plan that tells all this."""


@dataclass(frozen=True, slots=True)
class UnprovenValue:
    """Rows with a value that would come out as another one when they are carried back and forward again."""

    column: str
    """Column of the newer table."""
    condition: str
    """Selects the rows; '1' where nobody can tell them apart."""
    value: str
    """Expression of the value, for an example."""
    said: str
    """How the old columns would be filled; '' where no migration says so."""
    held: bool
    """An old column would take the value as it is."""


@dataclass(frozen=True, slots=True)
class ColumnsBack:
    """How the rows of one newer table fill the old one."""

    columns: tuple[CopyColumn, ...]
    doubts: tuple[UnprovenValue, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A column of an older table over those of a newer one: ``source`` where it is one of them as it is, else ``text``,
    in ``type``."""

    text: str
    type: str
    source: ColumnForm | None = None

    def of_type(self, wanted: str) -> str:
        """The expression in another type."""
        return self.text if self.type == wanted else conversion(self.text, self.type, wanted)


def columns_back(
    old: TableForm, chain: Sequence[Link], newer: Sequence[TableForm]
) -> tuple[list[ColumnsBack], tuple[str, ...]]:
    """How the rows of each newer table fill the old one, and what does not survive, in sentences.

    ``newer``: one table for each link of ``chain``, the one that replaced it.
    """
    listed: list[ColumnsBack] = []
    notes: list[str] = []
    for place, form in enumerate(newer):
        # Its older side is the table that comes back, and each that took its place but the last.
        cells, doubts = _down([old, *newer[:-1]][: place + 1], chain[: place + 1], newer[: place + 1])
        columns: list[CopyColumn] = []
        for column in old.columns:
            cell = cells.get(column.name)
            if cell is not None:
                columns.append(CopyColumn(column.name, cell.of_type(column.type)))
            elif column.stored:
                notes.append(
                    f"column {column.name} gets its default in rows that came since: {old.name} does not have it any "
                    "more"
                )
        read = {column.name for column in form.columns if any(_reads(cell, column.name) for cell in cells.values())}
        lost = [
            column.name
            for column in form.columns
            if column.stored and column.name not in read and old.column(column.name) is None
        ]
        if lost:
            notes.append(
                f"what rows that came since hold in column {', '.join(lost)} is not carried over: the old table does "
                "not have it"
            )
        listed.append(ColumnsBack(tuple(columns), doubts))
    for older, link, form in zip([old, *newer[:-1]], chain, newer, strict=True):
        given = {column.target for column in link.back}
        notes += [
            f"rows that came since get {name} = {text}, which undoes the expression of the migration"
            for name, text in _undone(older, link, form).items()
            if name not in given
        ]
    return listed, tuple(dict.fromkeys(f"{old.name}: {note}" for note in notes))


def unfit_condition(old: TableForm, newer: TableForm, columns: Sequence[CopyColumn]) -> str:
    """Selects the rows with a value that is another one after it was converted to the old type and back; '' where there
    can be none."""
    changed: list[str] = []
    for source, wanted in _converted(old, newer, columns):
        name = quote_name(source.name)
        empty = f"isNull({name})" if values.holds_null(source.type) and not values.holds_null(wanted.type) else ""
        changed += [
            empty,
            values.unfit_rows(name, source.type, wanted.type),
            values.altered_rows(name, source.type, wanted.type),
        ]
    return _any(changed)


def unlabelled_condition(old: TableForm, newer: TableForm, columns: Sequence[CopyColumn]) -> str:
    """Selects the rows with a label that the older Enum lacks; '' where there can be none. A CAST would store its
    number all the same, and the server then fails on every query that shows it."""
    return _any(
        [
            values.unfit_rows(quote_name(source.name), source.type, wanted.type)
            for source, wanted in _converted(old, newer, columns)
            if "Enum" in wanted.type
        ]
    )


def _any(conditions: Sequence[str]) -> str:
    return " OR ".join(f"({each})" for each in conditions if each)


def _converted(
    old: TableForm, newer: TableForm, columns: Sequence[CopyColumn]
) -> Iterator[tuple[ColumnForm, ColumnForm]]:
    """The newer and the older column, where one is the other in another type."""
    for column in columns:
        wanted = old.column(column.target)
        source = next(
            (
                each
                for each in newer.columns
                if wanted is not None and column.expression == conversion(quote_name(each.name), each.type, wanted.type)
            ),
            None,
        )
        if wanted is not None and source is not None and source.type != wanted.type:
            yield source, wanted


def _down(
    older: Sequence[TableForm], chain: Sequence[Link], newer: Sequence[TableForm]
) -> tuple[Mapping[str, _Cell], tuple[UnprovenValue, ...]]:
    """From the newest table's own columns down to the oldest one's. ``older`` and ``newer``: the tables on both sides
    of each link."""
    cells = {
        column.name: _Cell(quote_name(column.name), column.type, column)
        for column in newer[-1].columns
        if column.stored or column.kind == "ALIAS"
    }
    doubts: list[UnprovenValue] = []
    for before, link, after in zip(reversed(older), reversed(chain), reversed(newer), strict=True):
        below = _below(before, link, after, cells)
        doubts += _doubts(before, link, after, cells, below)
        cells = below
    return cells, tuple(doubts)


def _below(before: TableForm, link: Link, after: TableForm, cells: Mapping[str, _Cell]) -> dict[str, _Cell]:
    said = _said(before, link, after)
    found: dict[str, _Cell] = {}
    for column in before.columns:
        if not column.stored:
            continue
        source = _source(column, after, link)
        # What a migration says of the way back goes before what names and conversions suggest.
        if column.name in said:
            text = _over(said[column.name], link, after, cells)
            if text is not None:
                found[column.name] = _Cell(text, column.type)
        elif source is not None and source.name in cells:
            found[column.name] = cells[source.name]
    return found


def _said(before: TableForm, link: Link, after: TableForm) -> dict[str, str]:
    """How old columns follow from the new ones: as the migration says, else where one expression undoes another."""
    return {**_undone(before, link, after), **{column.target: column.expression for column in link.back}}


def _undone(before: TableForm, link: Link, after: TableForm) -> dict[str, str]:
    later = dict(link.renames)
    found: dict[str, str] = {}
    for each in link.forward:
        column, target = before.column(each.target), after.column(later.get(each.target, each.target))
        if column is not None and column.stored and target is not None and each.verify:
            text = undone(each.expression, each.target, column.type, target.type)
            found.update({each.target: text} if text else {})
    return found


def _over(expression: str, link: Link, after: TableForm, cells: Mapping[str, _Cell]) -> str | None:
    """An expression over the columns that a newer table had when it was made; None where one of them is gone."""
    later = dict(link.renames)
    first = {new: old for old, new in link.renames}
    had = {*(each.target for each in link.forward), *(first.get(each.name, each.name) for each in after.columns)}
    if any(mentions(expression, name) and later.get(name, name) not in cells for name in had):
        # A column that it reads is gone by now.
        return None
    texts = {
        first.get(column.name, column.name): cells[column.name].of_type(column.type)
        for column in after.columns
        if column.name in cells
    }
    try:
        return bound(expression, texts)
    except ValueError:
        return None


def _doubts(
    before: TableForm, link: Link, after: TableForm, cells: Mapping[str, _Cell], below: Mapping[str, _Cell]
) -> list[UnprovenValue]:
    """What an expression filled has to come out as it is. What was only converted is compared by
    ``unfit_condition``."""
    later = dict(link.renames)
    said = {name: text for name, text in _said(before, link, after).items() if name in below}
    names = [column.name for column in before.columns]
    texts = {
        column.name: below[column.name].of_type(column.type) if column.name in below else _default(column, names)
        for column in before.columns
    }
    found: list[UnprovenValue] = []
    for each in link.forward:
        target = after.column(later.get(each.target, each.target))
        if (
            target is None
            or target.name not in cells
            or any(each.expression == _plain(column, target) for column in before.columns)
        ):
            continue
        mine = [name for name, expression in said.items() if mentions(expression, each.target)]
        held = any(
            name not in said and cell.source is not None and _source_name(before, name, after, link) == target.name
            for name, cell in below.items()
        )
        words = ", ".join(f"{name} = {said[name]}" for name in mine)
        value = cells[target.name].of_type(target.type)
        try:
            again = bound(each.expression, texts) if each.verify else ""
        except ValueError:
            again = ""
        if again:
            # With the type that it had when it was filled, whatever it was changed to since.
            condition = f"toString(CAST({again}, {quote_string(target.type)})) IS DISTINCT FROM toString({value})"
        elif held and not mine:
            # Nothing tells which of the rows it would change, so all of them count.
            condition = "1"
        else:
            continue
        found.append(UnprovenValue(target.name, condition, value, words, held))
    return found


def _default(column: ColumnForm, names: Sequence[str]) -> str:
    """What an old column gets where nothing fills it, as far as that can be said without the row."""
    fixed = (
        column.kind == "DEFAULT"
        and bool(column.expression)
        and not any(mentions(column.expression, name) for name in names)
    )
    return (
        f"CAST({column.expression}, {quote_string(column.type)})"
        if fixed
        else f"defaultValueOfTypeName({quote_string(column.type)})"
    )


def _source_name(before: TableForm, name: str, after: TableForm, link: Link) -> str:
    column = before.column(name)
    source = _source(column, after, link) if column is not None else None
    return source.name if source is not None else ""


def _plain(column: ColumnForm, target: ColumnForm) -> str:
    return conversion(quote_name(column.name), column.type, target.type)


def _reads(cell: _Cell, name: str) -> bool:
    return cell.source.name == name if cell.source is not None else mentions(cell.text, name)


def _source(column: ColumnForm, newer: TableForm, link: Link) -> ColumnForm | None:
    """The newer table's column that holds what the older one's did."""
    later = dict(link.renames)
    name = later.get(column.name, column.name)
    same = newer.column(name)
    if same is not None:
        return same if same.stored or same.kind == "ALIAS" else None
    # No column of that name: one that was made by converting this one alone holds the same.
    for each in link.forward:
        target = newer.column(later.get(each.target, each.target))
        if target is not None and each.expression == conversion(quote_name(column.name), column.type, target.type):
            return target
    return None
