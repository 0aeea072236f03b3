"""What the way back would do to one table, counted before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.fence import fence_supported
from aaiclick.apply.hold import FENCE, HELD
from aaiclick.apply.identity import Part, need, parts
from aaiclick.apply.kept import Kept, KeptRow
from aaiclick.apply.mutations import reads_rows
from aaiclick.apply.sqltext import hexed
from aaiclick.apply.statements import READ, ask, merged
from aaiclick.catalog.clauses import split_create
from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.changes.column_type import conversion, is_text
from aaiclick.plan.strategies.rebuild import order_matters
from aaiclick.plan.work import CopyColumn, RebuildWork
from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.quoting import qualified, quote_name, quote_string

BLOCK = "_block_number"


@dataclass(frozen=True, slots=True)
class Restore:
    """``rows`` come back from the kept table ``name``, ``since`` came after it was replaced and are carried over.

    ``deleted`` says what was deleted or changed since and would be again as it was ('': nothing). ``unfit`` counts rows with values that
    the old columns cannot hold, ``notes`` name what else does not survive. ``blocked`` says why there is no way back at all ('': there is).
    """

    name: str
    kept: Kept
    work: RebuildWork
    rows: int
    since: int
    deleted: str = ""
    unfit: int = 0
    notes: tuple[str, ...] = ()
    blocked: str = ""


def look_back(database: str, row: KeptRow, *, forward: Sequence[CopyColumn] = (), filtered: bool = False, read_by_views: bool = False) -> Routine[Restore]:
    """Look at a kept table and the one in its place. ``forward``: how its columns were filled; ``filtered``: some rows were left out then."""
    kept = row.kept
    old, new = (yield from _form(database, row.name)), (yield from _form(database, kept.table))
    old = replace(old, name=kept.table, comment=kept.comment, settings=_settings(old, kept))
    columns, notes = _columns(old, new, forward)
    ordered = order_matters(old)
    fenced = ordered or read_by_views or (yield from fence_supported())
    blocked = ""
    if kept.base is None:
        blocked = f"{kept.table}: nobody can tell which of its rows came after it was replaced" + (f" ({kept.reason})" if kept.reason else "")
    base = -1 if kept.base is None else kept.base
    work = RebuildWork(kept.table, old, columns, f"{BLOCK} > {base}", ordered, fenced, keeps_ttl=bool(old.ttl))
    present = [part for part in (yield from parts((yield from need(database, row.name, kept.uuid)))) if part.last <= kept.copied]
    rows = yield from kept_parts(database, row.name, present)
    since = yield from _count(database, kept.table, work.where)
    unfit = yield from _unfit(database, work, old, new)
    found = Restore(row.name, kept, work, rows, since, "", unfit, notes, blocked)
    return replace(found, deleted=(yield from _deleted(database, found, new, filtered)))


def kept_parts(database: str, name: str, present: Sequence[Part]) -> Routine[int]:
    """The rows in these parts, without those that a lightweight delete has hidden."""
    if not any(part.masked for part in present):
        return sum(part.rows for part in present)
    names = ", ".join(quote_string(part.name) for part in present)
    return (yield from _count(database, name, f"_part IN ({names})"))


def _form(database: str, name: str) -> Routine[TableForm]:
    rows = yield from ask(
        "SELECT create_table_query FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({name:String})",
        {"db": hexed(database), "name": hexed(name)},
    )
    form = split_create(text(rows[0][0]) if rows else "", database)
    if not isinstance(form, TableForm):
        raise ApplyError(f"{database}.{name} is no table that can be read: {getattr(form, 'reason', form)}. Nothing was changed")
    return form


def _settings(old: TableForm, kept: Kept) -> tuple[tuple[str, str], ...]:
    """Those of the old table before it was held, in their places."""
    saved = {name: value for name, value in kept.saved if value}
    ours = {name for name, _ in HELD} | {FENCE}
    present = {name for name, _ in old.settings}
    back = tuple((name, saved.get(name, value)) for name, value in old.settings if name not in ours or name in saved)
    return (*back, *((name, value) for name, value in saved.items() if name not in present))


def _columns(old: TableForm, new: TableForm, forward: Sequence[CopyColumn]) -> tuple[tuple[CopyColumn, ...], tuple[str, ...]]:
    columns: list[CopyColumn] = []
    notes: list[str] = []
    used: set[str] = set()
    for column in old.columns:
        if not column.stored:
            continue
        source = _source(column, new, forward)
        if source is None:
            notes.append(f"column {column.name} gets its default in rows that came since: {new.name} does not have it any more")
            continue
        used.add(source.name)
        columns.append(CopyColumn(column.name, conversion(quote_name(source.name), source.type, column.type)))
    lost = [column.name for column in new.columns if column.stored and column.name not in used]
    if lost:
        notes.append(f"what rows that came since hold in column {', '.join(lost)} is not carried over: the old table does not have it")
    return tuple(columns), tuple(f"{old.name}: {note}" for note in notes)


def _source(column: ColumnForm, new: TableForm, forward: Sequence[CopyColumn]) -> ColumnForm | None:
    """The new table's column that holds what the old one's did."""
    same = new.column(column.name)
    if same is not None:
        return same if same.stored or same.kind == "ALIAS" else None
    for each in forward:
        target = new.column(each.target)
        if target is not None and each.expression == conversion(quote_name(column.name), column.type, target.type):
            return target
    return None


def _unfit(database: str, work: RebuildWork, old: TableForm, new: TableForm) -> Routine[int]:
    """Rows that came since with a value that is another one after it was converted to the old type and back."""
    changed: list[str] = []
    for column in work.columns:
        wanted = old.column(column.target)
        source = next(
            (each for each in new.columns if wanted is not None and column.expression == conversion(quote_name(each.name), each.type, wanted.type)), None
        )
        if wanted is None or source is None or source.type == wanted.type:
            continue
        name = quote_name(source.name)
        if is_text(source.type) and "(" not in wanted.type:
            changed.append(f"isNull(accurateCastOrNull({name}, {quote_string(wanted.type)})) AND isNotNull({name})")
        else:
            changed.append(f"toString({conversion(column.expression, wanted.type, source.type)}) IS DISTINCT FROM toString({name})")
    if not changed:
        return 0
    try:
        return (yield from _count(database, work.table, f"{work.where} AND ({' OR '.join(f'({each})' for each in changed)})"))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        raise ApplyError(f"{work.table}: rows that came since do not convert to the old columns: {error}. Nothing was changed") from error


def _deleted(database: str, found: Restore, new: TableForm, filtered: bool) -> Routine[str]:
    """What was deleted or changed in the live table since; the engine forgets finished mutations after a while, so rows are counted too."""
    rows = yield from ask(
        "SELECT command FROM system.mutations WHERE database = unhex({db:String}) AND table = unhex({name:String})"
        " AND toUnixTimestamp(create_time) >= {since:Int64} ORDER BY create_time, mutation_id",
        {"db": hexed(database), "name": hexed(found.kept.table), "since": found.kept.since},
    )
    said = [text(row[0]) for row in rows if reads_rows(text(row[0]))]
    live = yield from parts((yield from need(database, found.kept.table)))
    words = f"rows were changed ({'; '.join(said[:3])})" if said else "rows were updated" if any(part.patch for part in live) else ""
    if new.engine == "MergeTree" and not filtered and found.kept.base is not None:
        left = yield from _count(database, found.kept.table, f"{BLOCK} <= {found.kept.base}")
        if left != found.rows:
            words = f"{found.rows - left} rows were deleted" + (f" ({'; '.join(said[:3])})" if said else "")
    return words


def _count(database: str, name: str, where: str) -> Routine[int]:
    rows = yield Query(f"SELECT count() FROM {qualified(database, name)} WHERE {where}", {}, merged(READ), long=True)
    return number(rows[0][0])
