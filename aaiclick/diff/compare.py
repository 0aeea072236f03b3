"""The differences between a live table and its target, as changes. Pure; in the order of the target's clauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import ColumnForm, LiveObject, TableForm
from aaiclick.catalog.normalize import key_elements, normal
from aaiclick.catalog.parse.expanded_aliases import same_index
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_attributes import (
    ChangeCodec,
    ChangeColumnComment,
    ChangeColumnSettings,
    ChangeStatistics,
)
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn, DropColumn, MoveColumn, RenameColumn
from aaiclick.diff.changes.constraints import ChangeConstraint
from aaiclick.diff.changes.indexes import ChangeIndex
from aaiclick.diff.changes.keys import ChangeEngine, ChangeFixedKey, ChangeSamplingKey, ChangeSortKey
from aaiclick.diff.changes.projections import ChangeProjection
from aaiclick.diff.changes.settings import ChangeComment, ChangeSetting
from aaiclick.diff.changes.ttl import ChangeColumnTtl, ChangeTtl
from aaiclick.diff.reached import added_behind, read_through
from aaiclick.diff.renamed_columns import renamed_form
from aaiclick.diff.target import Target, is_prefix
from aaiclick.specs.tables import Table


@dataclass(frozen=True, slots=True)
class Differing:
    """A live table that is not as it is declared."""

    table: Table
    """The declaration."""
    declared: TableForm
    """Its form."""
    live: LiveObject
    """The live table, under its new name where it gets one."""
    form: TableForm
    """Its form."""
    data_name: str
    """The name that it still has."""


def diff_table(live: TableForm, target: Target) -> tuple[Change, ...]:
    """The changes that turn ``live`` into the target."""
    live = normal(live)
    live = renamed_form(live, target.renames)
    wanted = target.form
    name = live.name
    # Renames come first: everything behind them uses the new names, and so does the server in what reads the columns.
    changes: list[Change] = [RenameColumn(name, old, new) for old, new in target.renames]
    new_names = dict(target.renames)
    present = {column.name: column for column in live.columns}
    # Before the additions: the new column and the old ones would share a file, which the server refuses.
    changes.extend(DropColumn(name, column) for column in target.unholdable)
    changes.extend(_added(name, wanted, present, frozenset(new_names)))
    for column in wanted.columns:
        old = present.get(column.name)
        if old is not None:
            changes.extend(_column_changes(name, old, column, wanted.engine))
    # Behind the additions: AFTER may name a column that is new.
    changes.extend(_moved(name, wanted, [column.name for column in live.columns]))
    changes.extend(_key_changes(live, target))
    changes.extend(_object_changes(live, wanted))
    if live.ttl != wanted.ttl:
        changes.append(ChangeTtl(name, live.ttl, wanted.ttl))
    before, after = dict(live.settings), dict(wanted.settings)
    for setting in sorted({*before, *after}):
        if before.get(setting) != after.get(setting):
            changes.append(ChangeSetting(name, setting, before.get(setting, ""), after.get(setting, "")))
    if live.comment != wanted.comment:
        changes.append(ChangeComment(name, live.comment, wanted.comment))
    return tuple(changes)


def _added(table: str, wanted: TableForm, present: dict[str, ColumnForm], freed: frozenset[str]) -> list[Change]:
    changes: list[Change] = []
    behind = added_behind(present, wanted)
    after = ""
    for column in wanted.columns:
        name = column.name
        if name not in present:
            # In the order of the target, so the column that AFTER names is there by then.
            reads = len(read_through(column, wanted)) if column.expression else 0
            changes.append(AddColumn(table, column, after, name in freed, behind=name in behind, reads=reads))
        after = name
    return changes


def _column_changes(table: str, old: ColumnForm, new: ColumnForm, engine: str) -> list[Change]:
    changes: list[Change] = []
    default_differs = (old.kind, old.expression) != (new.kind, new.expression)
    together = old.type != new.type and default_differs and bool(new.kind)
    if default_differs and not together:
        # The default alone: the type has a command of its own, which may fail on the data.
        changes.append(ChangeDefault(table, old, new if not new.kind else replace(new, type=old.type)))
    if old.type != new.type:
        changes.append(RetypeColumn(table, old, new, together, engine))
    if old.codec != new.codec:
        changes.append(ChangeCodec(table, new.name, new.type, old.codec, new.codec))
    if old.comment != new.comment:
        changes.append(ChangeColumnComment(table, new.name, old.comment, new.comment))
    if old.ttl != new.ttl:
        changes.append(ChangeColumnTtl(table, new.name, new.type, old.ttl, new.ttl))
    # The server keeps them in the order in which they came, which means nothing.
    if dict(old.settings) != dict(new.settings):
        changes.append(ChangeColumnSettings(table, new.name, old.settings, new.settings))
    if old.statistics != new.statistics:
        changes.append(ChangeStatistics(table, new.name, old.statistics, new.statistics))
    return changes


def _moved(table: str, wanted: TableForm, present: list[str]) -> list[Change]:
    """A MODIFY for each column outside the longest run of columns that are in the wanted order already.

    Tables that have columns that the declaration does not mention keep those where they are, as long as the declared
    ones are in order among themselves.
    """
    order = {column.name: place for place, column in enumerate(wanted.columns)}
    common = [name for name in present if name in order]
    kept_places = _longest_run([order[name] for name in common])
    kept = {name for name in common if order[name] in kept_places}
    changes: list[Change] = []
    after = ""
    for column in wanted.columns:
        if column.name in common and column.name not in kept:
            changes.append(MoveColumn(table, column.name, column.type, after))
        after = column.name
    return changes


def _longest_run(numbers: list[int]) -> set[int]:
    """A longest increasing subsequence, as a set of its numbers."""
    best: list[list[int]] = []
    for number in numbers:
        longest: list[int] = []
        for run in best:
            if run[-1] < number and len(run) > len(longest):
                longest = run
        best.append([*longest, number])
    longest_of_all: list[int] = []
    for run in best:
        longest_of_all = run if len(run) > len(longest_of_all) else longest_of_all
    return set(longest_of_all)


def _key_changes(live: TableForm, target: Target) -> list[Change]:
    wanted, name = target.form, live.name
    changes: list[Change] = []
    old_engine, new_engine = _engine(live), _engine(wanted)
    if old_engine != new_engine:
        changes.append(ChangeEngine(name, old_engine, new_engine, wanted.engine))
    if live.partition_by != wanted.partition_by:
        changes.append(ChangeFixedKey(name, "partition key", live.partition_by, wanted.partition_by))
    if live.order_by != wanted.order_by:
        before, after = key_elements(live.order_by), key_elements(wanted.order_by)
        shorter = len(after) < len(before) and before[: len(after)] == after
        changes.append(ChangeSortKey(name, live.order_by, wanted.order_by, shorter))
    if _primary_differs(live, wanted) and not (
        target.free_primary_key and is_prefix(live.primary_key, wanted.order_by)
    ):
        changes.append(
            ChangeFixedKey(
                name, "primary key", live.primary_key or live.order_by, wanted.primary_key or wanted.order_by
            )
        )
    if live.sample_by != wanted.sample_by:
        changes.append(ChangeSamplingKey(name, live.sample_by, wanted.sample_by))
    return changes


def _primary_differs(live: TableForm, wanted: TableForm) -> bool:
    """True where the primary keys in effect differ. Where neither side has one, it follows the sort key, whose change
    is listed already.

    A sort key that grows in place leaves the old one behind as an explicit primary key.
    """
    if not live.primary_key and not wanted.primary_key:
        return False
    return (live.primary_key or live.order_by) != (wanted.primary_key or wanted.order_by)


def _engine(form: TableForm) -> str:
    return f"{form.engine}({form.arguments})" if form.arguments else form.engine


def _object_changes(live: TableForm, wanted: TableForm) -> list[Change]:
    name = live.name
    changes: list[Change] = []
    old_indexes, new_indexes = {form.name: form for form in live.indexes}, {form.name: form for form in wanted.indexes}
    for key in _names(old_indexes, new_indexes):
        old_index, new_index = old_indexes.get(key), new_indexes.get(key)
        if old_index != new_index and not same_index(old_index, live, new_index, wanted):
            changes.append(ChangeIndex(name, old_index, new_index))
    old_projections, new_projections = (
        {form.name: form for form in live.projections},
        {form.name: form for form in wanted.projections},
    )
    for key in _names(old_projections, new_projections):
        if old_projections.get(key) != new_projections.get(key):
            changes.append(ChangeProjection(name, old_projections.get(key), new_projections.get(key)))
    old_constraints, new_constraints = (
        {form.name: form for form in live.constraints},
        {form.name: form for form in wanted.constraints},
    )
    for key in _names(old_constraints, new_constraints):
        if old_constraints.get(key) != new_constraints.get(key):
            changes.append(ChangeConstraint(name, old_constraints.get(key), new_constraints.get(key)))
    return changes


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Names of both, those of the target first and in its order: ADD appends, so the order of the commands becomes the
    order of the text."""
    return [*new, *(key for key in old if key not in new)]
