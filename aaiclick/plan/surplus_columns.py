"""Columns that the code no longer declares: they stay until somebody asks for their end, unless no table of the new definition holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import DropColumn
from aaiclick.diff.changes.pin import PinColumns
from aaiclick.diff.compare import diff_table
from aaiclick.diff.conversion.values import holds_null
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.target import Target
from aaiclick.plan import steps
from aaiclick.plan.data_checks.checks import first_line
from aaiclick.plan.declaration.expressions import types_of
from aaiclick.plan.dependents.select_check import broken_dependents
from aaiclick.plan.model import Step
from aaiclick.plan.old_parts.columns import Held, held_columns
from aaiclick.plan.old_parts.emptied import before_drop
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.other_engines import can_be_staged
from aaiclick.plan.rehearsal.empty_clone import Outcome, Stage, attempt
from aaiclick.plan.strategies.context import TableCase
from aaiclick.plan.strategies.fit import read_only
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned


def surplus_steps(case: TableCase, data_name: str) -> Routine[tuple[Step, ...]]:
    """One optional step for each column that the code no longer declares."""
    if not case.target.surplus or not can_be_staged(case):
        return ()
    # A declared view that stays as it is may read a column that is no longer declared. One with another query has it before the column goes, and
    # that query was analysed over the declared columns.
    case = replace(case, replaced=case.rewritten)
    stage = yield from case.make_stage(case.target.form, "surplus")
    found: list[Step] = []
    held = (yield from held_columns(case.database, data_name)) if case.live.rows and case.form.merge_tree else Held(data_name, 0, {})
    for name in case.target.surplus:
        column = case.target.form.column(name)
        assert column is not None
        kept = before_drop(case.target.form, held, [name], case.target.surplus)
        pins = (PinColumns(kept.pins, held.patched),) if kept.pins else ()
        change: Sequence[Change] = (*pins, DropColumn(case.live.name, column))
        alters: list[Alter] = []
        outcome = Outcome(True)
        for command in (command.text for each in change for command in each.commands):
            outcome = yield from attempt(stage, f"ALTER TABLE {stage.name} {command}")
            alters.append(Alter(f"ALTER TABLE {case.name} {command}", outcome.mutates))
            if not outcome.accepted:
                break
        work = AlterWork(case.live.name, tuple(alters))
        without = _without(case.target, {name}).form
        blocked = f"the engine refuses to drop {name}: {first_line(outcome.message)}"
        if outcome.accepted:
            blocked = read_only(case) or kept.refusal or (yield from broken_dependents(case, without, f"without {name}"))
        found.append(steps.alter_step(case, work, change, blocked, case.live.bytes, label=f"drop-column:{name}"))
    return tuple(found)


def unholdable(case: TableCase) -> Routine[TableCase | None]:
    """The case without the surplus columns that no new table of the wanted definition can have: an AggregatingMergeTree takes a plain column only
    in its sort key. They go with the copy then, and are asked for by name. None where that is not what stands in the way."""
    if not case.target.surplus or not case.target.form.merge_tree:
        return None
    with_all = yield from case.make_stage(case.target.form, "surplus-all")
    if not with_all.refusal:
        return None
    gone = set(case.target.surplus)
    none = yield from case.make_stage(_without(case.target, gone).form, "surplus-none")
    if none.refusal:
        return None
    for place, name in enumerate(case.target.surplus):
        kept = yield from case.make_stage(_without(case.target, gone - {name}).form, f"surplus-but-{place}")
        gone -= set() if kept.refusal else {name}
    target = _without(case.target, gone)

    def make_stage(wanted: TableForm, label: str) -> Routine[Stage]:
        return (yield from case.make_stage(wanted, f"fewer-{label}"))

    return replace(case, target=target, changes=diff_table(case.form, target), make_stage=make_stage)


def _without(target: Target, gone: set[str]) -> Target:
    columns = tuple(column for column in target.form.columns if column.name not in gone)
    in_the_way = tuple(column for column in target.form.columns if column.name in gone)
    surplus = tuple(name for name in target.surplus if name not in gone)
    return replace(target, form=replace(target.form, columns=columns), surplus=surplus, in_the_way=(*target.in_the_way, *in_the_way))


def nulls_refused(case: TableCase) -> Routine[tuple[Hazard, ...]]:
    """A column that takes NULL from now on, and another one that is no longer declared and computes its own value from it, which takes none: until
    it is dropped, INSERTs of NULL are refused."""
    opened = [
        change.new.name for change in case.changes if isinstance(change, RetypeColumn) and holds_null(change.new.type) and not holds_null(change.old.type)
    ]
    kept = [column for column in case.target.form.columns if column.name in case.target.surplus and column.kind in ("DEFAULT", "MATERIALIZED")]
    kept = [column for column in kept if not holds_null(column.type) and mentioned(column.expression, opened)]
    types = yield from types_of([column.expression for column in kept], case.target.form)
    found: list[Hazard] = []
    for column, kind in zip(kept, types, strict=True):
        if kind and holds_null(kind):
            name = f"{case.live.name}.{column.name}"
            why = f"{column.kind} {column.expression} of {name}, which is no longer declared, is {kind}, and {column.type} takes no NULL"
            found.append(Hazard("holds-up-writers", f"INSERTs of NULL into {', '.join(opened)} would be refused: {why}", f"drop-column {name}"))
    return tuple(found)
