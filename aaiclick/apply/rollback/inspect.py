"""What the way back would do to one table, counted before anything is done.

Kept tables form a chain: each was replaced by the next one, the last of them by the live table. The oldest one comes back, with the rows that
came while each of the later ones was live. They are told by their block numbers: see ``rebuild/block_numbers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rollback.columns import Doubt, Link, columns_back, unfit_condition
from aaiclick.apply.rollback.reattached import BLOCK, find_again
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.diff.merging import ties_matter
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.routine import Query, Routine, number, text
from aaiclick.server.features import FENCE, fence_supported
from aaiclick.server.merges import HELD
from aaiclick.server.mutations import reads_rows
from aaiclick.server.parts import Part, parts
from aaiclick.server.statements import READ, ask, merged
from aaiclick.server.tables import need
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_string
from aaiclick.state.kept_tables import Kept


@dataclass(frozen=True, slots=True)
class Between:
    """A kept table that was live after the one that is put back."""

    name: str
    """What it is called now."""
    kept: Kept
    """Its comment."""
    columns: tuple[CopyColumn, ...]
    """How the old columns are filled from its rows."""
    where: str
    """Selects its rows that came while it was live."""
    rows: int
    """How many these are."""


@dataclass(frozen=True, slots=True)
class Restore:
    """What putting one kept table back would do."""

    name: str
    """The kept table, as it is called now."""
    kept: Kept
    """Its comment."""
    work: RebuildWork
    """The copy of the rows that came to the live table since."""
    rows: int
    """Rows of the kept table, which come back."""
    since: int
    """Rows that came after it was replaced, and are carried over."""
    live: str
    """UUID of the table that is live now."""
    between: tuple[Between, ...] = ()
    """Later kept tables that hold some of the rows that came since, the oldest first."""
    deleted: str = ""
    """What was deleted or changed since, and would be again as it was; '' for nothing."""
    unfit: int = 0
    """Rows that came since with values that the old columns cannot hold."""
    unproven: tuple[str, ...] = ()
    """Values that would not come out as they are after going back and forward again, in sentences."""
    notes: tuple[str, ...] = ()
    """What else does not survive, in sentences."""
    blocked: str = ""
    """Why the table cannot be put back at all; '' where it can."""

    @property
    def used(self) -> tuple[str, ...]:
        """The kept tables that are not needed any more afterwards."""
        return (self.name, *(each.name for each in self.between))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A table that replaced a kept one: ``name`` as it is called now, ``kept`` where it was replaced itself."""

    name: str
    form: TableForm
    kept: Kept | None

    def present(self, listed: Sequence[Part]) -> list[Part]:
        """Its parts without those that the next table got after the exchange: there they count among what came since."""
        return [part for part in listed if self.kept is None or part.last <= self.kept.copied]


def inspect_kept(database: str, chain: Sequence[Link], *, read_by_views: bool = False) -> Routine[Restore]:
    """What putting the first of these kept tables back would do; the oldest is the first. Raises ApplyError."""
    kept = chain[0].row.kept
    stages: list[_Stage] = []
    for link in chain:
        stages.append(_Stage(link.row.name, (yield from _form(database, link.row.name)), link.row.kept))
    stages.append(_Stage(kept.table, (yield from _form(database, kept.table)), None))
    old = replace(stages[0].form, name=kept.table, comment=kept.comment, settings=_settings(stages[0].form, kept))
    came, notes = columns_back(old, chain, [stage.form for stage in stages[1:]])
    ordered = ties_matter(old)
    fenced = ordered or read_by_views or (yield from fence_supported())
    wheres = [f"{BLOCK} > {-1 if link.row.kept.base is None else link.row.kept.base}" for link in chain]
    rows = yield from _rows(database, stages[0])
    counts: list[int] = []
    unfit = 0
    said: list[str] = []
    unproven: list[str] = []
    blocked = [_blocked(chain)]
    for place, (link, stage) in enumerate(zip(chain, stages[1:], strict=True)):
        parts_of = yield from _condition(database, stage)
        since_then = yield from _since_then(database, link, stages[place], stage, parts_of)
        said.append(since_then.words)
        blocked.append(since_then.blocked)
        wheres[place] += since_then.left_out
        counts.append((yield from _count(database, stage.name, f"{wheres[place]}{parts_of}")))
        unfit += yield from _unfit(database, old, stage, came[place].columns, f"{wheres[place]}{parts_of}")
        if not link.known and counts[place]:
            said_by = f"no plan was entered that says how the columns of {kept.table} were filled when {link.row.name} was replaced"
            unproven.append(f"{counts[place]} rows that came since would stay as they are: {said_by}")
        unproven += yield from _unproven(database, stage, came[place].doubts, f"{wheres[place]}{parts_of}")
    work = RebuildWork(kept.table, old, came[-1].columns, wheres[-1], ordered, fenced, keeps_ttl=bool(old.ttl))
    between = tuple(
        Between(stage.name, stage.kept, came[place].columns, wheres[place], counts[place]) for place, stage in enumerate(stages[1:-1]) if stage.kept is not None
    )
    return Restore(
        chain[0].row.name,
        kept,
        work,
        rows,
        sum(counts),
        chain[-1].row.kept.replaced_by,
        between,
        "; ".join(each for each in said if each),
        unfit,
        tuple(unproven),
        notes,
        "; ".join(each for each in blocked if each),
    )


def _blocked(chain: Sequence[Link]) -> str:
    for link in chain:
        kept = link.row.kept
        if kept.base is None:
            return f"{kept.table}: nobody can tell which of its rows came after {link.row.name} was replaced" + (f" ({kept.reason})" if kept.reason else "")
    return ""


def kept_parts(database: str, name: str, present: Sequence[Part]) -> Routine[int]:
    """The rows in these parts, without those that a lightweight delete has hidden."""
    if not any(part.masked for part in present):
        return sum(part.rows for part in present)
    names = ", ".join(quote_string(part.name) for part in present)
    return (yield from _count(database, name, f"_part IN ({names})"))


def _rows(database: str, stage: _Stage) -> Routine[int]:
    assert stage.kept is not None
    return (yield from kept_parts(database, stage.name, stage.present((yield from parts((yield from need(database, stage.name, stage.kept.uuid)))))))


def _condition(database: str, stage: _Stage) -> Routine[str]:
    """What leaves out the parts that the next table got late."""
    if stage.kept is None:
        return ""
    listed = yield from parts((yield from need(database, stage.name, stage.kept.uuid)))
    late = [part.name for part in listed if part.last > stage.kept.copied]
    return f" AND _part NOT IN ({', '.join(quote_string(name) for name in late)})" if late else ""


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
    """The settings that the old table had before its merges were held, in the same order."""
    saved = {name: value for name, value in kept.saved if value}
    ours = {name for name, _ in HELD} | {FENCE}
    present = {name for name, _ in old.settings}
    back = tuple((name, saved.get(name, value)) for name, value in old.settings if name not in ours or name in saved)
    return (*back, *((name, value) for name, value in saved.items() if name not in present))


def _unfit(database: str, old: TableForm, stage: _Stage, columns: Sequence[CopyColumn], where: str) -> Routine[int]:
    """Rows that came since with a value that is another one after it was converted to the old type and back."""
    changed = unfit_condition(old, stage.form, columns)
    if not changed:
        return 0
    try:
        return (yield from _count(database, stage.name, f"{where} AND ({changed})"))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        raise ApplyError(f"{old.name}: rows that came since do not convert to the old columns: {error}. Nothing was changed") from error


def _unproven(database: str, stage: _Stage, doubts: Sequence[Doubt], where: str) -> Routine[list[str]]:
    """Values of rows that came since which are no value of the old table's: going forward again would not give them."""
    found: list[str] = []
    for doubt in doubts:
        sql = f"SELECT count(), any(toString({doubt.value})) FROM {qualified(database, stage.name)} WHERE {where} AND ({doubt.condition})"
        try:
            rows = yield Query(sql, {}, merged(READ), long=True)
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            raise ApplyError(
                f"{stage.name}: rows that came since cannot be carried back ({doubt.said or doubt.column}): {error}. Nothing was changed"
            ) from error
        count, example = number(rows[0][0]), text(rows[0][1])
        if not count:
            continue
        such = f"{count} rows that came since hold a value of {doubt.column} (such as {example!r})"
        if doubt.said:
            found.append(f"{such} that {doubt.said} takes to one that comes out as another when it goes forward again")
        elif doubt.held:
            advice = f"a migration says it with Rebuild(back={{'{doubt.column}': ...}})"
            found.append(f"{such} which was filled by an expression, and nothing says how it goes back: it would stay as it is ({advice})")
        else:
            advice = "Rebuild(back={...}) says how they follow from it"
            found.append(f"{such} which was filled by an expression, and the old columns do not hold it: it would be lost ({advice})")
    return found


@dataclass(frozen=True, slots=True)
class _SinceThen:
    """What happened to a table since it replaced another one.

    ``words``: what was deleted or changed; '' for nothing. ``left_out``: a condition that leaves out rows of the copy
    that have another block number now. ``blocked``: why they cannot be told apart; '' where they can.
    """

    words: str
    left_out: str = ""
    blocked: str = ""


def _since_then(database: str, link: Link, before: _Stage, stage: _Stage, parts_of: str) -> Routine[_SinceThen]:
    """Ask for mutations, and count rows as well: the engine forgets finished mutations after a while."""
    kept = link.row.kept
    rows = yield from ask(
        "SELECT command FROM system.mutations WHERE database = unhex({db:String}) AND table = unhex({name:String})"
        " AND toUnixTimestamp(create_time) >= {since:Int64} ORDER BY create_time, mutation_id",
        {"db": hexed(database), "name": hexed(stage.name), "since": kept.earliest // 1000},
    )
    said = [text(row[0]) for row in rows if reads_rows(text(row[0]))]
    live = yield from parts((yield from need(database, stage.name)))
    words = f"rows were changed ({'; '.join(said[:3])})" if said else "rows were updated" if any(part.patch for part in live) else ""
    if kept.base is None:
        return _SinceThen(words)
    if stage.form.engine != "MergeTree" or link.filtered:
        gone = yield from _gone_partition(database, link, before, stage, live)
        return _SinceThen("; ".join(each for each in (words, gone) if each))
    left = yield from _count(database, stage.name, f"{BLOCK} <= {kept.base}{parts_of}")
    there = yield from _rows(database, before)
    if left == there:
        return _SinceThen(words)
    late = yield from _condition(database, before)
    again = yield from find_again(database, (before.name, before.form, late), (stage.name, stage.form, parts_of), link.forward, link.renames, kept.base)
    missing = there - left
    if again.mixed or again.rows > missing:
        twice = f"{again.mixed or again.rows} rows of the copy are in {kept.table} under later block numbers, among others"
        twice += " (a partition was detached and attached again?)"
        return _SinceThen(words, blocked=f"{twice}: nobody can tell them from rows that came since, and they would be there twice")
    if missing > again.rows:
        words = f"{missing - again.rows} rows were deleted" + (f" ({'; '.join(said[:3])})" if said else "")
        words += f" (whether they are there again under later block numbers is not known: {again.problem})" if again.problem else ""
    return _SinceThen(words, again.condition)


def _gone_partition(database: str, link: Link, before: _Stage, stage: _Stage, live: Sequence[Part]) -> Routine[str]:
    """A sentence on partitions whose copied rows are gone; '' for none. For tables whose merges remove rows: a count
    would say nothing there.

    A partition of the old table of which the new one has only later parts was dropped, or it was detached and attached
    again; in the second case its rows would be there twice.
    """
    kept = link.row.kept
    assert before.kept is not None
    if kept.base is None or before.form.partition_by != stage.form.partition_by:
        return ""
    old = before.present((yield from parts((yield from need(database, before.name, before.kept.uuid)))))
    mine = {part.partition for part in live if not part.patch}
    held = {part.partition for part in live if not part.patch and part.first <= kept.base}
    gone = sorted({part.partition for part in old} & mine - held)
    if not gone:
        return ""
    listed = ", ".join(gone[:3]) + (" ..." if len(gone) > 3 else "")
    return f"partition {listed} was dropped, or detached and attached again (then its rows would be there twice)"


def _count(database: str, name: str, where: str) -> Routine[int]:
    rows = yield Query(f"SELECT count() FROM {qualified(database, name)} WHERE {where}", {}, merged(READ), long=True)
    return number(rows[0][0])
