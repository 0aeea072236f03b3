"""Counts what a rollback would do to one table, before anything is changed.

Kept tables form a chain: each was replaced by the next one, the last of them by the live table. The oldest one comes
back, with the rows that came while each of the later ones was live. They are told by their block numbers: see
``rebuild/block_numbers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rollback.chain import NO_PREWHERE, ChainTable, came_while_live, count, count_own_rows
from aaiclick.apply.rollback.columns import (
    ColumnsBack,
    Link,
    UnprovenValue,
    columns_back,
    unfit_condition,
    unlabelled_condition,
)
from aaiclick.apply.rollback.convertible import convertible, counted, stuck
from aaiclick.apply.rollback.reattached import BLOCK
from aaiclick.apply.rollback.since_then import since_then
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.merges import MERGES_STOPPED
from aaiclick.clickhouse.names import FENCE_CONSTRAINT
from aaiclick.clickhouse.parts import detached_parts
from aaiclick.clickhouse.tables import create_query
from aaiclick.diff.merging import combines_rows, ties_matter
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import CopyColumn, RebuildWork
from aaiclick.printable import rows_text
from aaiclick.routine import Routine
from aaiclick.sql.quoting import qualified
from aaiclick.state.kept_tables import KeptComment
from aaiclick.state.replicated.base_blocks import base_sql


@dataclass(frozen=True, slots=True)
class TableBetween:
    """A kept table that was live after the one that is put back."""

    name: str
    """What it is called now."""
    kept: KeptComment
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
    kept: KeptComment
    """Its comment."""
    work: RebuildWork
    """The copy of the rows that came to the live table since."""
    rows: int
    """Rows of the kept table, which come back."""
    since: int
    """Rows that came after it was replaced, and are carried over."""
    live: str
    """UUID of the table that is live now."""
    between: tuple[TableBetween, ...] = ()
    """Later kept tables that hold some of the rows that came since, the oldest first."""
    deleted: str = ""
    """What was deleted or changed since, and would be again as it was; '' for nothing."""
    combines: bool = False
    """Merges of the live table make one row of several."""
    combined: int = 0
    """Rows of parts that merges have made of rows of the copy and of later ones."""
    unfit: int = 0
    """Rows that came since with values that the old columns cannot hold."""
    unproven: tuple[str, ...] = ()
    """Values that would not come out as they are after going back and forward again, in sentences."""
    notes: tuple[str, ...] = ()
    """What else does not survive, in sentences."""
    detached: str = ""
    """Parts that somebody detached, which are in no table that is there afterwards; '' for none."""
    blocked: str = ""
    """Why the table cannot be put back at all; '' where it can."""

    @property
    def used(self) -> tuple[str, ...]:
        """The kept tables that are not needed any more afterwards."""
        return (self.name, *(each.name for each in self.between))

    @property
    def asks_if_combined(self) -> bool:
        """Whether merges might put rows that came since together with earlier ones, of which nobody was told."""
        return self.combines and not self.combined


@dataclass(frozen=True, slots=True)
class _CameSince:
    """What came to one of the later tables while it was live."""

    columns: tuple[CopyColumn, ...]
    """How the old columns are filled from its rows."""
    where: str
    """Selects these rows."""
    rows: int
    """How many they are."""
    deleted: str
    """What was deleted or changed in it meanwhile; '' for nothing."""
    combined: int
    """Rows of parts that merges have made of these rows and of earlier ones."""
    unfit: int
    """Rows with values that the old columns cannot hold."""
    unproven: tuple[str, ...]
    """Values that would not come out as they are, in sentences."""
    blocked: tuple[str, ...]
    """Why its rows cannot be carried over; '' for no reason."""


def inspect_kept(database: str, chain: Sequence[Link]) -> Routine[Restore]:
    """What putting the first of these kept tables back would do; the oldest is the first. Raises ApplyError."""
    kept = chain[0].row.kept
    tables: list[ChainTable] = []
    for link in chain:
        tables.append(ChainTable(link.row.name, (yield from _form(database, link.row.name)), link.row.kept))
    tables.append(ChainTable(kept.table, (yield from _form(database, kept.table)), None))
    old = _as_it_was(tables[0].form, kept)
    came, notes = columns_back(old, chain, [table.form for table in tables[1:]])
    rows = yield from count_own_rows(database, tables[0])
    since: list[_CameSince] = []
    for link, before, table, back in zip(chain, tables, tables[1:], came, strict=False):
        since.append((yield from _came_since(database, old, link, before, table, back)))
    blocked = [_blocked(chain), *(words for each in since for words in each.blocked), _replaced_often(chain)]
    # The live table is copied as in any rebuild; what the tables in between hold is copied apart, below.
    work = RebuildWork(
        kept.table,
        old,
        since[-1].columns,
        since[-1].where,
        ties_matter(old),
        True,
        keeps_ttl=bool(old.ttl),
        settings=NO_PREWHERE,
    )
    between = tuple(
        TableBetween(table.name, table.kept, each.columns, each.where, each.rows)
        for table, each in zip(tables[1:-1], since, strict=False)
        if table.kept is not None
    )
    return Restore(
        chain[0].row.name,
        kept,
        work,
        rows,
        sum(each.rows for each in since),
        chain[-1].row.kept.replaced_by,
        between,
        "; ".join(each.deleted for each in since if each.deleted),
        combines_rows(tables[-1].form),
        sum(each.combined for each in since),
        sum(each.unfit for each in since),
        tuple(words for each in since for words in each.unproven),
        notes,
        (yield from _detached(database, [table.name for table in tables])),
        "; ".join(each for each in blocked if each),
    )


def _as_it_was(form: TableForm, kept: KeptComment) -> TableForm:
    """The kept table as it was when it was live."""
    # On a cluster the constraint that kept writers out is in the kept table still.
    constraints = tuple(each for each in form.constraints if each.name != FENCE_CONSTRAINT)
    return replace(form, name=kept.table, comment=kept.comment, settings=_settings(form, kept), constraints=constraints)


def _came_since(
    database: str, old: TableForm, link: Link, before: ChainTable, table: ChainTable, back: ColumnsBack
) -> Routine[_CameSince]:
    """Rows that came to ``table`` after it had replaced ``before``. ``old``: the table that is put back, ``back``: how
    its columns are filled."""
    parts_of = yield from came_while_live(database, table)
    happened = yield from since_then(database, link, before, table, parts_of)
    # Rows of the copy that came back under later numbers are in the kept table, and would be there twice.
    since = f"{BLOCK} > {base_sql(link.row.kept.base, link.row.kept.bases)}{happened.left_out}"
    where, source = f"{since}{parts_of}", qualified(database, table.name)
    rows = yield from count(source, where)
    columns, refused = yield from convertible(source, back.columns)
    # Also where no row came yet: others may come before the tables are exchanged.
    unproven = [
        f"{target} gets its default in rows that came since ({rows} so far), because what they hold does "
        f"not convert to its older type: {problem}"
        for target, problem in refused.items()
    ]
    problem, unfit = "", 0
    if rows:
        # Which values come back as other ones, only rows tell that convert at all.
        problem = yield from _stuck(source, where, columns, unlabelled_condition(old, table.form, columns))
    if rows and not problem:
        changed = yield from counted(source, where, unfit_condition(old, table.form, columns))
        unfit = changed.rows
        if changed.problem:
            unproven.append(
                f"{rows_text(rows)} that came since may hold values that the old columns cannot: one of them "
                f"does not convert back ({changed.problem})"
            )
    if not link.known and rows:
        unproven.append(
            f"{rows_text(rows)} that came since would stay as they are: no plan was entered that says how the columns "
            f"of {old.name} were filled when {link.row.name} was replaced"
        )
    if not problem:
        unproven += yield from _unproven(source, back.doubts, where)
    blocked = (happened.blocked, _stuck_words(old.name, problem))
    return _CameSince(columns, since, rows, happened.words, happened.combined, unfit, tuple(unproven), blocked)


def _detached(database: str, names: Sequence[str]) -> Routine[str]:
    """``names``: the kept tables, and the live one last, which is kept then in its turn."""
    # They are files in the directory of a table, and go with it.
    found: list[str] = []
    for name in names:
        count, example = yield from detached_parts(database, name)
        if count:
            when = "when its time is over" if name == names[-1] else "at once"
            found.append(f"{count:,} detached parts of {name} (such as {example}) are not carried over: they go {when}")
    return "; ".join(found)


def _stuck(source: str, where: str, columns: Sequence[CopyColumn], unlabelled: str) -> Routine[str]:
    """Why rows that came since do not convert to the old columns; '' where all do."""
    without = yield from counted(source, where, unlabelled)
    if without.rows:
        return f"{without.rows} with a label that the older Enum lacks"
    return without.problem or (yield from stuck(source, where, columns))


def _stuck_words(table: str, problem: str) -> str:
    if not problem:
        return ""
    return (
        f"{table}: rows that came since do not convert to the old columns ({problem}): change or delete such rows, "
        "or say with Rebuild(back={...}) in the migration what they become"
    )


def _blocked(chain: Sequence[Link]) -> str:
    for link in chain:
        kept = link.row.kept
        if kept.base is None:
            return f"{kept.table}: nobody can tell which of its rows came after {link.row.name} was replaced" + (
                f" ({kept.reason})" if kept.reason else ""
            )
    return ""


def _replaced_often(chain: Sequence[Link]) -> str:
    kept = chain[0].row.kept
    if not kept.replicated or len(chain) == 1:
        return ""
    return (
        f"{kept.table} was replaced {len(chain)} times since, and on a cluster one replacement is undone: roll back to "
        "the version before the last one"
    )


def _form(database: str, name: str) -> Routine[TableForm]:
    form = split_create((yield from create_query(database, name)), database)
    if not isinstance(form, TableForm):
        raise ApplyError(
            f"{database}.{name} is no table that can be read: {getattr(form, 'reason', form)}. Nothing was changed"
        )
    return form


def _settings(old: TableForm, kept: KeptComment) -> tuple[tuple[str, str], ...]:
    """The settings that the old table had before its merges were stopped, in the same order."""
    saved = {name: value for name, value in kept.saved if value}
    ours = {name for name, _ in MERGES_STOPPED} | {FENCE}
    present = {name for name, _ in old.settings}
    # Of our own settings those stay that it had before, with the value of then; a setting that we took away comes back.
    back = tuple((name, saved.get(name, value)) for name, value in old.settings if name not in ours or name in saved)
    return (*back, *((name, value) for name, value in saved.items() if name not in present))


def _unproven(source: str, doubts: Sequence[UnprovenValue], where: str) -> Routine[list[str]]:
    """Values of rows that came since which are no value of the old table's: going forward again would not give them."""
    found: list[str] = []
    for doubt in doubts:
        seen = yield from counted(source, where, doubt.condition, f"any(toString({doubt.value}))")
        if seen.problem:
            how = doubt.said or "the way back"
            found.append(
                f"values of {doubt.column} in rows that came since cannot be compared: {how} gives one on which going "
                f"forward again fails ({seen.problem})"
            )
        if not seen.rows:
            continue
        hold = "holds" if seen.rows == 1 else "hold"
        such = f"{rows_text(seen.rows)} that came since {hold} a value of {doubt.column} (such as {seen.example!r})"
        if doubt.said:
            found.append(f"{such}, and {doubt.said} gives one that converts back to another value")
        elif doubt.held:
            advice = f"a migration says it with Rebuild(back={{'{doubt.column}': ...}})"
            found.append(
                f"{such} which was filled by an expression, and no expression is given for the rollback: it would stay "
                f"as it is ({advice})"
            )
        else:
            advice = "Rebuild(back={...}) says how they follow from it"
            found.append(
                f"{such} which was filled by an expression, and the old columns do not hold it: it would be lost "
                f"({advice})"
            )
    return found
