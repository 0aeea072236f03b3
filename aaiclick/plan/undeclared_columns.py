"""Columns that are no longer declared. They stay until their drop is allowed by name, unless no table of the new
definition can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.messages import first_line
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import DropColumn
from aaiclick.diff.changes.materialize_columns import MaterializeColumns
from aaiclick.diff.compare import diff_table
from aaiclick.diff.conversion.values import holds_null
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.reached import readers_first
from aaiclick.diff.summed_maps import maps_otherwise
from aaiclick.diff.target import Target
from aaiclick.plan import steps
from aaiclick.plan.declaration.expressions import types_of
from aaiclick.plan.dependents.buffer_distributed_columns import DROP
from aaiclick.plan.dependents.select_check import blocking_dependents, held_columns_of_views
from aaiclick.plan.model import Step
from aaiclick.plan.old_parts.columns import PartColumns, held_columns
from aaiclick.plan.old_parts.emptied import before_drop
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.other_engines import can_be_cloned
from aaiclick.plan.proof.row_policies import read_by_policies
from aaiclick.plan.rehearsal.empty_clone import Outcome, attempt_alter
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.plan.strategies.refusals import read_only
from aaiclick.routine import Routine
from aaiclick.sql.clauses import drop_column
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, split_top

KEY = "drop-column "


def drop_column_steps(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    """An optional step for each such column. What reads another one goes before it."""
    if not diff.target.undeclared:
        return ()
    if not can_be_cloned(diff):
        return _of_distributed(diff)
    # A view that stays as it is may still read the column. One with another query gets that before the drop, and the
    # query was analysed over the declared columns.
    diff = replace(diff, replaced_views=diff.rewritten_views, droppable_views=frozenset())
    # As the required steps leave the table: drops are carried out behind them.
    clone = yield from diff.make_clone(diff.target.form, "undeclared")
    found: list[Step] = []
    mutations = 0
    held = (
        (yield from held_columns(diff.database, data_name, diff.hosts))
        if diff.live.rows and diff.form.merge_tree
        else PartColumns(data_name, 0, {})
    )
    views = yield from held_columns_of_views(diff, diff.target.form)
    for name, reading in readers_first(diff.target.undeclared, diff.target.form).items():
        # Their words may be about something else: the server says whether it can go alone.
        readers = reading if reading and not (yield from _goes_alone(diff, name)) else ()
        column = diff.target.form.column(name)
        assert column is not None
        kept = before_drop(diff.target.form, held, [name], diff.target.undeclared)
        pins = (MaterializeColumns(kept.pins, held.patched),) if kept.pins else ()
        change: Sequence[Change] = (*pins, DropColumn(diff.live.name, column))
        alters: list[Alter] = []
        outcome = Outcome(True)
        for command in (command.text for each in change for command in each.commands):
            outcome = yield from attempt_alter(clone, alter_table(clone.name, command), mutations)
            # One clone for all columns, so what it had before has to be taken off.
            mutations = max(mutations, outcome.mutations)
            alters.append(Alter(alter_table(diff.name, command), outcome.mutates))
            if not outcome.accepted:
                break
        # In this order: what a part has to hold without the column is written while it still holds it.
        work = AlterWork(diff.live.name, tuple(alters))
        without = _without(diff.target, {name, *readers}).form
        blocked = f"the engine refuses to drop {name}: {first_line(outcome.message)}{_kept_reader(diff.target, name)}"
        if outcome.accepted:
            blocked = (
                read_only(diff)
                or kept.refusal
                or views.get(name, "")
                or (yield from blocking_dependents(diff, without, f"without {name}")).blocked
                or (yield from read_by_policies(diff, data_name, name))
            )
        step = steps.alter_step(diff, work, change, blocked, diff.live.bytes, label=f"drop-column:{name}")
        hazards = (*step.hazards, *_of_maps(diff, without, name), *_of_readers(diff.live.name, name, readers))
        found.append(replace(step, hazards=hazards))
    return behind_readers(found)


def _goes_alone(diff: TableDiff, name: str) -> Routine[bool]:
    """Whether the server drops the column while all others are there."""
    clone = yield from diff.make_clone(diff.target.form, f"undeclared-{name}")
    return (yield from attempt_alter(clone, alter_table(clone.name, drop_column(quote_name(name))))).accepted


def _of_readers(table: str, name: str, readers: Sequence[str]) -> tuple[Hazard, ...]:
    """The hazards by which the drop of a column is allowed only together with the columns that read it."""
    return tuple(
        Hazard(
            "old-code-breaks",
            f"{reader} reads {name}: the server drops {name} only behind it",
            f"drop-column {table}.{reader}",
        )
        for reader in readers
    )


def behind_readers(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, with the drop of a column blocked where a column that reads it cannot be dropped."""
    why = {step.id: step.blocked for step in steps if DROP in step.id and step.blocked}
    found: list[Step] = []
    for step in steps:
        keys = [hazard.allow.removeprefix(KEY) for hazard in step.hazards if hazard.allow.startswith(KEY)]
        readers = [key.removeprefix(f"{step.object}.") for key in keys]
        stays = next((each for each in readers if f"{step.object}{DROP}{each}" in why), "")
        if DROP in step.id and stays and not step.blocked:
            found.append(replace(step, blocked=f"{stays} reads it and stays: {why[f'{step.object}{DROP}{stays}']}"))
        else:
            found.append(step)
    return tuple(found)


def _of_maps(diff: TableDiff, without: TableForm, name: str) -> tuple[Hazard, ...]:
    """The hazards where a Nested of a SummingMergeTree is added up by other keys once it lacks the column."""
    said = maps_otherwise(diff.target.form, without, {column.name: column.name for column in without.columns})
    key = f"drop-column {diff.live.name}.{name}"
    return tuple(Hazard("changes-values", f"{diff.live.name}: {words}", key) for words in said.values())


def _of_distributed(diff: TableDiff) -> tuple[Step, ...]:
    """The same for a Distributed table, of which there is no clone: only its columns are altered, and it holds no
    values. Nothing for other engines."""
    if not diff.form.engine == diff.target.form.engine == "Distributed":
        return ()
    try:
        arguments = split_top(diff.form.arguments)
    except TokenError:
        return ()
    # Distributed(cluster, database, table, sharding key, policy).
    key = arguments[3] if len(arguments) > 3 else ""
    found: list[Step] = []
    for name, readers in readers_first(diff.target.undeclared, diff.target.form).items():
        column = diff.target.form.column(name)
        assert column is not None
        change = DropColumn(diff.live.name, column)
        work = AlterWork(
            diff.live.name, tuple(Alter(alter_table(diff.name, command.text)) for command in change.commands)
        )
        blocked = (
            f"the sharding key {key.strip()} of {diff.live.name} reads {name}: the servers would not start again"
            if mentioned(key, [name])
            else ""
        )
        # No clone shows it: the server refuses to drop what another column reads, which may go before.
        reader = next(
            (
                each
                for each in diff.target.form.columns
                if each.name not in readers and mentioned(each.expression, [name])
            ),
            None,
        )
        if reader is not None and not blocked:
            blocked = f"the server refuses to drop {name}: column {reader.name} of {diff.live.name} reads it"
            blocked += _kept_reader(diff.target, name) or f". Drop {reader.name} first"
        step = steps.alter_step(diff, work, (change,), blocked, 0, label=f"drop-column:{name}")
        words = f"code that reads or writes {name} through {diff.live.name} fails"
        hazard = Hazard("old-code-breaks", words, f"drop-column {diff.live.name}.{name}")
        found.append(replace(step, hazards=(hazard, *_of_readers(diff.live.name, name, readers))))
    return behind_readers(found)


def _kept_reader(target: Target, name: str) -> str:
    """Which default reads the column and stays only because nobody declares it; '' for none."""
    for column in target.form.columns:
        said = f"column {column.name}: {column.kind} {column.expression} is not declared"
        if column.expression and mentioned(column.expression, [name]) and f"{said} (left alone)" in target.notes:
            return f". {said}, so it stays: {column.kind.lower()}=None takes it away"
    return ""


def unholdable(diff: TableDiff) -> Routine[TableDiff | None]:
    """The difference without columns that no table of the new definition can have; None where that is not what is
    refused.

    An AggregatingMergeTree, for example, takes a plain column only into its sort key. Such columns go with the copy,
    and have to be allowed by name.
    """
    if not diff.target.undeclared or not diff.target.form.merge_tree:
        return None
    # A server that takes a table with all of them refuses something else.
    with_all = yield from diff.make_clone(diff.target.form, "undeclared-all")
    if not with_all.refusal:
        return None
    gone = set(diff.target.undeclared)
    # So does one that refuses the table without any of them.
    none = yield from diff.make_clone(_without(diff.target, gone).form, "undeclared-none")
    if none.refusal:
        return None
    # Put back one by one: a column goes only where no table can have it beside those that stay.
    for place, name in enumerate(diff.target.undeclared):
        kept = yield from diff.make_clone(_without(diff.target, gone - {name}).form, f"undeclared-but-{place}")
        gone -= set() if kept.refusal else {name}
    target = _without(diff.target, gone)
    return replace(diff.labelled("fewer"), target=target, changes=diff_table(diff.form, target))


def _without(target: Target, gone: set[str]) -> Target:
    columns = tuple(column for column in target.form.columns if column.name not in gone)
    unholdable = tuple(column for column in target.form.columns if column.name in gone)
    undeclared = tuple(name for name in target.undeclared if name not in gone)
    return replace(
        target,
        form=replace(target.form, columns=columns),
        undeclared=undeclared,
        unholdable=(*target.unholdable, *unholdable),
    )


def nulls_refused(diff: TableDiff) -> Routine[tuple[Hazard, ...]]:
    """The hazard where a column takes NULL from now on, and a column that is no longer declared computes a value from
    it and takes none: INSERTs of NULL are refused until it is dropped."""
    opened = [
        change.new.name
        for change in diff.changes
        if isinstance(change, RetypeColumn) and holds_null(change.new.type) and not holds_null(change.old.type)
    ]
    kept = [
        column
        for column in diff.target.form.columns
        if column.name in diff.target.undeclared and column.kind in ("DEFAULT", "MATERIALIZED")
    ]
    kept = [column for column in kept if not holds_null(column.type) and mentioned(column.expression, opened)]
    types = yield from types_of([column.expression for column in kept], diff.target.form)
    found: list[Hazard] = []
    for column, kind in zip(kept, types, strict=True):
        if kind and holds_null(kind):
            name = f"{diff.live.name}.{column.name}"
            why = (
                f"{column.kind} {column.expression} of {name}, which is no longer declared, is {kind}, and "
                f"{column.type} takes no NULL"
            )
            found.append(
                Hazard(
                    "holds-up-writers",
                    f"INSERTs of NULL into {', '.join(opened)} would be refused: {why}",
                    f"drop-column {name}",
                )
            )
    return tuple(found)
