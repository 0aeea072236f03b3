"""Columns that old parts do not hold: their rows read the default, so another default would change their values.

Over the rows of these parts, what is read now is compared with what would be read. Where it differs, the present
values are written into the parts first. Where that is not possible the table is copied, and the copy reads what the
rows read now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm
from aaiclick.clickhouse.features import PASSES_UNSTORED
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.materialize_columns import ColumnToWrite, MaterializeColumns
from aaiclick.diff.compare import diff_table
from aaiclick.diff.reached import reached_by
from aaiclick.diff.target import live_column
from aaiclick.plan.old_parts.added_leaves import emptied_by_merges
from aaiclick.plan.old_parts.columns import held_columns, lacking
from aaiclick.plan.old_parts.emptied import before_drop
from aaiclick.plan.old_parts.read_by_defaults import under_dotted_names
from aaiclick.plan.old_parts.read_two_ways import read_two_ways, suspects
from aaiclick.plan.old_parts.readings import (
    computed,
    computed_to_be,
    leaves_of,
    read_differently,
    rows_to_be,
    unsaid,
)
from aaiclick.plan.old_parts.writable import OldParts, count_or_message, unfit
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.quoting import qualified, quote_name


@dataclass(frozen=True, slots=True)
class AbsentColumns:
    """What old parts need before the changes are made in place.

    ``changes`` are all changes, with writing the values first. ``refusal``: why rows of old parts would read another
    value in any case; '' where they do not. ``open``: columns of which no row was read, because none may be.
    """

    changes: tuple[Change, ...]
    refusal: str = ""
    open: tuple[str, ...] = ()


def absent_columns(diff: TableDiff, data_name: str) -> Routine[AbsentColumns]:
    """What rows of old parts need before the changes of a table are made in place."""
    live = diff.form
    if not diff.live.rows or not live.merge_tree or not diff.target.form.merge_tree or not diff.changes:
        return AbsentColumns(diff.changes)
    emptied = emptied_by_merges(diff)
    if emptied:
        return AbsentColumns(diff.changes, emptied)
    unstored = [
        change.new.name
        for change in diff.changes
        if isinstance(change, ChangeDefault) and change.old.stored and not change.new.stored
    ]
    if unstored and diff.server.version < PASSES_UNSTORED:
        why = f"on ClickHouse {diff.server.version_text} later mutations fail on parts that hold"
        return AbsentColumns(diff.changes, f"{why} {', '.join(unstored)}, which is no longer stored")
    touched = _touched(diff)
    dropped = [column.name for column in diff.target.unholdable]
    suspected = suspects(diff, {old.name for old, _ in touched})
    again = _stored_again(diff)
    if not touched and not dropped and not suspected and not again:
        return AbsentColumns(diff.changes)
    held = yield from held_columns(diff.database, data_name, diff.hosts)
    for old in again:
        if held.lacking(old.name) < held.parts:
            return AbsentColumns(diff.changes, _still_held(diff, old))
    lacked = [old.name for old, _ in touched if held.lacking(old.name)]
    lacked += [old.name for old, read in suspected if held.lacking(old.name) and any(map(held.lacking, read))]
    if diff.reads_no_rows and lacked:
        return AbsentColumns(diff.changes, open=tuple(f"old parts without {name}" for name in dict.fromkeys(lacked)))
    source = qualified(diff.database, data_name)
    look = OldParts(diff.database, live, held, source, diff.reads_no_rows, diff.shards)
    unsteady = yield from read_two_ways(diff, held, look.source, suspected)
    pins, refusal = yield from _pins(diff, look, unsteady, touched)
    if refusal:
        return AbsentColumns(diff.changes, refusal)
    kept = before_drop(live, held, dropped, dropped)
    if kept.refusal:
        return AbsentColumns(diff.changes, kept.refusal)
    pins += [pin for pin in kept.pins if pin.column.name not in {each.column.name for each in pins}]
    if not pins:
        return AbsentColumns(diff.changes)
    # An ALIAS has become a DEFAULT with the same expression by then.
    pinned = {pin.column.name: replace(pin.column, kind="DEFAULT") for pin in pins if not pin.restored}
    form = replace(live, columns=tuple(pinned.get(column.name, column) for column in live.columns))
    # The rest is compared anew, with those columns as the first ALTER leaves them.
    rest = diff_table(form, diff.target) if pinned else diff.changes
    return AbsentColumns((MaterializeColumns(tuple(pins), held.patched), *rest))


def _pins(
    diff: TableDiff,
    look: OldParts,
    unsteady: Sequence[ColumnForm],
    touched: Sequence[tuple[ColumnForm, ColumnForm]],
) -> Routine[tuple[list[ColumnToWrite], str]]:
    """What is written first, and why rows of old parts would read another value in any case; '' where they do not."""
    held = look.held
    pins: list[ColumnToWrite] = []
    for old in unsteady:
        refusal = yield from unfit(look, old)
        if refusal:
            return [], refusal
        pins.append(_pin(diff, old, held.lacking(old.name)))
    for old, new in touched:
        if old in unsteady:
            continue
        missing = held.lacking(old.name)
        # When a stored column becomes an ALIAS its data stays in old parts until they are merged, and would be read
        # again.
        if old.kind == "ALIAS" and missing < held.parts:
            return [], _still_held(diff, old)
        # Once their rows read a name with a dot that their parts lack, too, no query would get past them.
        unreadable = missing and any(map(held.lacking, _held_names(diff, under_dotted_names(diff.target.form, new))))
        if not missing or not (unreadable or (yield from _reads_differently(diff, look, old, new))):
            continue
        refusal = yield from unfit(look, old)
        if refusal:
            return [], refusal
        pins.append(_pin(diff, old, missing))
    return pins, ""


def _still_held(diff: TableDiff, old: ColumnForm) -> str:
    what = "an ALIAS" if old.kind == "ALIAS" else old.kind
    return f"some parts of {diff.form.name} still hold values of {old.name} from before it was {what}"


def _stored_again(diff: TableDiff) -> list[ColumnForm]:
    """Live columns that are not stored and will be, and whose rows are computed by the new expression."""
    pairs = [(live_column(diff.form, diff.target.renames, new.name), new) for new in diff.target.form.columns]
    return [
        old
        for old, new in pairs
        if old is not None
        and new.stored
        and (old.kind == "EPHEMERAL" or (old.kind == "ALIAS" and new.kind == "MATERIALIZED"))
    ]


def _touched(diff: TableDiff) -> tuple[tuple[ColumnForm, ColumnForm], ...]:
    """Live and wanted column, for each stored column whose value rows may read differently where a part lacks it."""
    live, wanted, renames = diff.form, diff.target.form, diff.target.renames
    pairs = [(old, new) for new in wanted.columns if (old := live_column(live, renames, new.name)) is not None]
    kept = {old.name for old, _ in pairs}
    changed = {name for old, new in pairs for name in (old.name, new.name) if _said(old) != _said(new)}
    # A column that goes, or comes, changes what a default reads under its name.
    changed |= {column.name for column in live.columns if column.name not in kept}
    changed |= {column.name for column in wanted.columns if live.column(column.name) is None}
    reached = reached_by(changed, live, wanted)
    found: list[tuple[ColumnForm, ColumnForm]] = []
    for old, new in pairs:
        # An ALIAS that becomes MATERIALIZED is compared over all rows by the proof (once_stored).
        if not new.stored or old.kind == "EPHEMERAL" or (old.kind == "ALIAS" and new.kind == "MATERIALIZED"):
            continue
        # In a part without the column an array of a Nested has as many elements as the other columns of that Nested.
        sizes = {leaf.name for leaf in leaves_of(old.name, live)} != {leaf.name for leaf in leaves_of(new.name, wanted)}
        if _said(old)[1:] != _said(new)[1:] or sizes or old.name in reached or new.name in reached:
            found.append((old, new))
    return tuple(found)


def _said(column: ColumnForm) -> tuple[str, str, str, str]:
    return column.name, column.type, column.kind, column.expression


def _reads_differently(diff: TableDiff, look: OldParts, old: ColumnForm, new: ColumnForm) -> Routine[bool]:
    """True where rows of parts without the column would read another value; also where that cannot be compared, or no
    row may be read."""
    if diff.reads_no_rows:
        return True
    live, wanted, renames = diff.form, diff.target.form, diff.target.renames
    rows = rows_to_be(
        live,
        wanted,
        renames,
        look.source,
        # No part has values of an ALIAS: every row computes it.
        "1" if old.kind == "ALIAS" else lacking(diff.database, look.held.table, old.name),
    )
    condition = read_differently(quote_name(new.name), computed(new, wanted))
    to_be = computed_to_be(live, wanted, renames)
    counted = yield from count_or_message(diff.shards, f"countIf({condition})", f"FROM {rows}", to_be)
    return not isinstance(counted, int) or counted > 0


def _held_names(diff: TableDiff, names: Iterable[str]) -> list[str]:
    """The columns of the target under the names that parts have them under."""
    former = {new: old for old, new in diff.target.renames}
    return [former.get(name, name) for name in names]


def _pin(diff: TableDiff, old: ColumnForm, parts: int) -> ColumnToWrite:
    if old.kind == "ALIAS":
        return ColumnToWrite(old, parts, old.expression, restored=False)
    return ColumnToWrite(old, parts, "" if old.kind else unsaid(old, diff.form))
