"""Which columns of a newer table fill those of an older one, through all the tables in between (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.apply.kept import KeptRow
from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.plan.conversion import values
from aaiclick.plan.conversion.convert import conversion
from aaiclick.plan.work import CopyColumn
from aaiclick.specs.quoting import quote_name


@dataclass(frozen=True, slots=True)
class Link:
    """A kept table and how the one that replaced it was made of it: ``forward`` says how its columns were filled, ``filtered`` that some rows
    were left out, ``renames`` (old, new) which of its columns were renamed later on."""

    row: KeptRow
    forward: tuple[CopyColumn, ...] = ()
    filtered: bool = False
    renames: tuple[tuple[str, str], ...] = ()


def columns_back(old: TableForm, chain: Sequence[Link], newer: Sequence[TableForm]) -> tuple[list[tuple[CopyColumn, ...]], tuple[str, ...]]:
    """For each of the newer tables the columns that fill the old one, and what does not survive. ``newer``: as many as ``chain`` has links,
    each is what replaced the one before."""
    sources: dict[str, ColumnForm | None] = {column.name: column for column in old.columns if column.stored}
    listed: list[tuple[CopyColumn, ...]] = []
    notes: list[str] = []
    for link, form in zip(chain, newer, strict=True):
        sources = {name: _source(source, form, link) if source is not None else None for name, source in sources.items()}
        columns: list[CopyColumn] = []
        for column in old.columns:
            source = sources.get(column.name)
            if source is not None:
                columns.append(CopyColumn(column.name, conversion(quote_name(source.name), source.type, column.type)))
            elif column.stored:
                notes.append(f"column {column.name} gets its default in rows that came since: {old.name} does not have it any more")
        used = {source.name for source in sources.values() if source is not None}
        lost = [column.name for column in form.columns if column.stored and column.name not in used]
        if lost:
            notes.append(f"what rows that came since hold in column {', '.join(lost)} is not carried over: the old table does not have it")
        listed.append(tuple(columns))
    return listed, tuple(dict.fromkeys(f"{old.name}: {note}" for note in notes))


def unfit_condition(old: TableForm, newer: TableForm, columns: Sequence[CopyColumn]) -> str:
    """Selects the rows with a value that is another one after it was converted to the old type and back; '' where there can be none."""
    changed: list[str] = []
    for column in columns:
        wanted = old.column(column.target)
        source = next(
            (each for each in newer.columns if wanted is not None and column.expression == conversion(quote_name(each.name), each.type, wanted.type)), None
        )
        if wanted is None or source is None or source.type == wanted.type:
            continue
        name = quote_name(source.name)
        empty = f"isNull({name})" if values.holds_null(source.type) and not values.holds_null(wanted.type) else ""
        changed.extend(each for each in (empty, values.unfit(name, source.type, wanted.type), values.differs(name, source.type, wanted.type)) if each)
    return " OR ".join(f"({each})" for each in changed)


def _source(column: ColumnForm, newer: TableForm, link: Link) -> ColumnForm | None:
    """The newer table's column that holds what the older one's did."""
    later = dict(link.renames)
    name = later.get(column.name, column.name)
    same = newer.column(name)
    if same is not None:
        return same if same.stored or same.kind == "ALIAS" else None
    for each in link.forward:
        target = newer.column(later.get(each.target, each.target))
        if target is not None and each.expression == conversion(quote_name(column.name), column.type, target.type):
            return target
    return None
