"""Guards: conditions that no row met when they were counted. A writer may add such a row before the change is made.

Each becomes a constraint of the live table for as long as that matters (``aaiclick/apply/guarded_alter.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from aaiclick.catalog.forms import ConstraintForm, TableForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.constraints import ChangeConstraint
from aaiclick.plan.data_checks.checks import PassedCheck
from aaiclick.plan.guards.row_expressions import over_live, over_target
from aaiclick.plan.operations import Alter, AlterWork, AttachWork, Guard, MergeLook, RebuildWork
from aaiclick.plan.proof.comparisons import Comparison
from aaiclick.plan.rehearsal.cache import AcceptedBatch
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.relay import relayed
from aaiclick.routine import Command, Effect, Query, Routine, Rows, number
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

T = TypeVar("T")
_PART_NAME = "_part"


@dataclass(frozen=True, slots=True)
class ChangeGuard:
    """A guard, and the changes that rely on it: the first ALTER that makes one of them removes the guard."""

    guard: Guard
    changes: tuple[Change, ...] = ()


class RowsSeen:
    """Up to which block number the rows of a table were there before the first question about them.

    An ALTER that depends on no row asks none, and no number.
    """

    def __init__(self, diff: TableDiff, data_name: str) -> None:
        self._diff, self._data_name = diff, data_name
        self._block: int | None = 0 if diff.reads_no_rows else None

    @property
    def block(self) -> int:
        """That number; 0 where rows cannot be told apart by it, or nothing was asked: then all rows are counted
        again."""
        return self._block or 0

    def before(self, looking: Routine[T]) -> Routine[T]:
        """Carry out a routine that may ask about rows; the number is asked for first. A row that is inserted in between
        is then counted twice, and never left out."""

        def carry(effect: Effect) -> Routine[Rows]:
            if self._block is None and isinstance(effect, Query | Command):
                self._block = yield from _highest_block(self._diff, self._data_name)
            return (yield effect)

        return (yield from relayed(looking, carry))


def _highest_block(diff: TableDiff, data_name: str) -> Routine[int]:
    """The highest block number of the present rows: rows of later inserts have a higher one. 0 where parts cannot be
    told apart by it, so that all rows are counted again."""
    form = diff.as_spelled
    # A replicated table counts blocks in each partition anew, so one number says nothing of all of them.
    plainly = form.merge_tree and not form.engine.startswith(("Replicated", "Shared")) and not form.old_syntax
    # Nor does one of this host of the parts of other shards.
    if not plainly or not diff.live.rows or form.column(_PART_NAME) is not None or diff.shards.shards > 1:
        return 0
    # INSERTs and mutations take their block numbers from one sequence. A merge or a mutation keeps the numbers of its
    # rows, so an INSERT from now on has a higher one than any part shows here.
    rows = yield Query(
        "SELECT toUInt64(max(greatest(max_block_number, toInt64(data_version)))) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        {"database": diff.database, "table": data_name},
    )
    return number(rows[0][0]) if rows else 0


def of_counts(diff: TableDiff, clear: Sequence[PassedCheck]) -> tuple[ChangeGuard, ...]:
    """Guards for conversions of columns."""
    old_names = {new: old for old, new in diff.target.renames}
    found: list[ChangeGuard] = []
    for each in clear:
        change = each.change
        if not isinstance(change, RetypeColumn):
            continue
        # The constraint will be one of the live table, whose columns still have their old names.
        name = old_names.get(change.new.name, change.new.name)
        check = replace(change, old=replace(change.old, name=name), new=replace(change.new, name=name)).checks[
            each.place
        ]
        condition = over_live(diff.form, check.forward if each.forward else check.condition)
        found.append(
            ChangeGuard(
                Guard(_filtered(diff, condition), check.problem, over_live(diff.form, check.example)), (change,)
            )
        )
    return tuple(found)


def of_expressions(diff: TableDiff, filled: Sequence[tuple[str, str, str]]) -> tuple[ChangeGuard, ...]:
    """Guards for a migration's expressions whose values the copy would change."""
    found: list[ChangeGuard] = []
    for condition, example, problem in filled:
        with suppress(ValueError):
            found.append(
                ChangeGuard(
                    Guard(_filtered(diff, over_live(diff.form, condition)), problem, over_live(diff.form, example))
                )
            )
    return tuple(found)


def of_constraints(diff: TableDiff, constraints: Sequence[ConstraintForm]) -> tuple[ChangeGuard, ...]:
    """Guards for new constraints. Where the condition cannot be written over one live row, the server checks it only
    from the ALTER on."""
    found: list[ChangeGuard] = []
    for constraint in constraints:
        changes = tuple(
            change for change in diff.changes if isinstance(change, ChangeConstraint) and change.new == constraint
        )
        try:
            # NULL counts as violated, as it does for the server.
            condition = f"NOT ifNull(({over_target(diff, constraint.expression)}) != 0, 0)"
        except ValueError:
            continue
        found.append(
            ChangeGuard(
                Guard(
                    condition,
                    f"violate the constraint {constraint.name} ({constraint.expression})",
                    _shown(diff.form, condition),
                ),
                changes,
            )
        )
    return tuple(found)


def of_kept(diff: TableDiff, name: str, old: str, new: str) -> tuple[ChangeGuard, ...]:
    """Guards for a constraint that stays, where a row may fulfil it now and not with the new columns."""
    try:
        condition = f"NOT ifNull(({over_target(diff, new)}) != 0, 0) AND ifNull(({over_live(diff.form, old)}) != 0, 0)"
    except ValueError:
        return ()
    return (
        ChangeGuard(
            Guard(condition, f"violate the constraint {name} ({new})", _shown(diff.form, condition)),
            _retypes(diff, [old]),
        ),
    )


def of_comparison(diff: TableDiff, comparison: Comparison, what: str) -> ChangeGuard | None:
    """The guard for an expression that gave the same for every row; None where that cannot be written over one live
    row."""
    try:
        old = [over_live(diff.form, expression) for expression in comparison.old]
        new = [over_target(diff, expression) for expression in comparison.new]
    except ValueError:
        return None
    # Bytes are compared, as in the count of the proof: NaN equals itself, and -0 is not 0.
    condition = f"formatRow('RowBinary', {', '.join(old)}) != formatRow('RowBinary', {', '.join(new)})"
    if comparison.partition:
        # Equal bytes in another type may be another partition.
        condition = f"({condition} OR partitionID({', '.join(old)}) != partitionID({', '.join(new)}))"
    return ChangeGuard(
        Guard(condition, f"give another value for {what}", f"tuple({', '.join(old)})"), _retypes(diff, comparison.old)
    )


def _retypes(diff: TableDiff, expressions: Collection[str]) -> tuple[Change, ...]:
    names = dict(diff.target.renames)
    read = frozenset[str]().union(
        *(mentioned(expression, [column.name for column in diff.form.columns]) for expression in expressions)
    )
    new = {names.get(name, name) for name in read}
    return tuple(change for change in diff.changes if isinstance(change, RetypeColumn) and change.new.name in new)


def _shown(form: TableForm, condition: str) -> str:
    """What is shown of a row: the columns that the condition reads."""
    read = sorted(
        mentioned(condition, [column.name for column in form.columns if column.kind not in ("ALIAS", "EPHEMERAL")])
    )
    return f"tuple({', '.join(map(quote_name, read))})" if read else "''"


def _filtered(diff: TableDiff, condition: str) -> str:
    if not diff.where:
        return condition
    try:
        where = over_live(diff.form, diff.where)
    except ValueError:
        # What the filter reads nobody knows: rows that it leaves out are held to it as well.
        return condition
    return f"({where}) AND ({condition})"


@dataclass(frozen=True, slots=True)
class TableGuards:
    """The guards of one table.

    (What merges combine no guard can hold, and an ALTER keeps nobody out: a row that comes behind it is combined as
    well. So that is counted once more for new tables only.)
    """

    counted: tuple[ChangeGuard, ...] = ()
    """About conversions of columns."""
    proven: tuple[ChangeGuard, ...] = ()
    """About expressions that read them."""
    seen: int = 0
    """As in ``AlterWork``."""
    looks: tuple[MergeLook, ...] = ()
    """What is counted once more for a new table."""
    copied: tuple[MergeLook, ...] = ()
    """The same where keys are computed anew. Elsewhere guards hold their values."""

    def alter(self, work: AlterWork, sent: Sequence[AcceptedBatch]) -> AlterWork:
        """The ALTERs with guards, each at the first ALTER that relies on it."""
        guards = (*self.counted, *self.proven)
        return (
            replace(work, alters=_placed(work.alters, sent, guards, strict=False)[0], seen=self.seen)
            if guards
            else work
        )

    def attach(self, work: AttachWork, sent: Sequence[AcceptedBatch]) -> AttachWork:
        """The same for the ALTERs before an attach. Other guards stay until the tables are exchanged."""
        guards = (*self.counted, *self.proven)
        alters, rest = _placed(work.alters, sent, guards, strict=True)
        work = replace(work, looks=self.looks, seen=self.seen if self.looks else 0)
        return (
            replace(work, alters=alters, guards=tuple(each.guard for each in rest), seen=self.seen) if guards else work
        )

    def rebuild(self, work: RebuildWork) -> RebuildWork:
        """The copy with guards that stay until the tables are exchanged. Expressions need none: the copy computes them
        anew."""
        looks = (*self.looks, *self.copied)
        work = replace(work, looks=looks, seen=self.seen if looks else 0)
        return (
            replace(work, guards=tuple(each.guard for each in self.counted), seen=self.seen) if self.counted else work
        )


def _placed(
    alters: Sequence[Alter], sent: Sequence[AcceptedBatch], change_guards: Sequence[ChangeGuard], *, strict: bool
) -> tuple[tuple[Alter, ...], list[ChangeGuard]]:
    guards: list[list[Guard]] = [[] for _ in alters]
    rest: list[ChangeGuard] = []
    for each in change_guards:
        commands = {command for change in each.changes for command in change.commands}
        # At the first ALTER that makes a change which relies on it: later the guard would come too late.
        place = next((place for place, batch in enumerate(sent) if commands & set(batch.batch.commands)), None)
        if place is not None:
            guards[place].append(each.guard)
        elif strict or not guards:
            rest.append(each)
        else:
            guards[-1].append(each.guard)
    return tuple(
        replace(alter, guards=tuple(own)) if own else alter for alter, own in zip(alters, guards, strict=True)
    ), rest
