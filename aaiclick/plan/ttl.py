"""Changes a TTL that is removed or gets longer before anything else, so that meanwhile no row is deleted that the new
declaration keeps.

There may be hours of other work before the step that would change the TTL, and merges would go on to delete rows.
This ALTER changes only metadata. It outlives a kill and a restart, and the next run finds it done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import Catalog, LiveObject, TableForm
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.diff.changes.ttl import ChangeColumnTtl, ChangeTtl, keeps_all
from aaiclick.diff.target import make_target
from aaiclick.plan.comparison.recorded import live_sources
from aaiclick.plan.declaration.new_lookups import with_new_lookups
from aaiclick.plan.model import Step
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.routine import Routine
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.sql.ddl import alter_table
from aaiclick.versions.jumps.compose import compose
from aaiclick.versions.upgrade_path import UpgradePath

if TYPE_CHECKING:
    from aaiclick.plan.strategies.context import TableDiff

_Change = ChangeTtl | ChangeColumnTtl
S = TypeVar("S", Column, MergeTree)


@dataclass(frozen=True, slots=True)
class TtlSteps:
    """The steps that come first, and the catalogue as they leave it."""

    steps: tuple[Step, ...]
    catalog: Catalog


def ttl_steps(
    schema: Schema, catalog: Catalog, path: UpgradePath, names: Collection[str] | None = None
) -> Routine[TtlSteps]:
    """A step for each table (of ``names``, where given) whose TTL, or that of a column, is removed or gets longer."""
    known = live_sources(schema.tables, catalog, path)
    tables = [
        table for table in schema.tables if (names is None or table.name in names) and _has_ttl(known.get(table.name))
    ]
    if not tables:
        return TtlSteps((), catalog)

    def body(scratch: Scratch) -> Routine[TtlSteps]:
        sources = {table.name: known[table.name] for table in tables}
        # The declared text is compared as the server writes it: ``INTERVAL 30 DAY`` is ``toIntervalDay(30)`` there.
        forms = yield from canonical_tables(scratch, tables, catalog, sources)
        found: list[Step] = []
        objects = dict(catalog.objects)
        for table in tables:
            live = known[table.name]
            step, form = yield from _free(table, forms[table.name], live, catalog, scratch, path)
            if step is not None:
                found.append(step)
                objects[live.name] = replace(live, form=form)
        return TtlSteps(tuple(found), replace(catalog, objects=objects))

    def inside(scratch: Scratch) -> Routine[TtlSteps]:
        return (yield from with_new_lookups(scratch, schema.objects, catalog, body))

    return (yield from with_scratch(inside, fallback=catalog.database))


def without_ttl(table: Table) -> Table:
    """The declaration of a version on the way, without a TTL: only the last one counts."""
    columns = [_silent(column) for column in table.columns]
    engine = _silent(table.engine) if isinstance(table.engine, MergeTree) else table.engine
    return table.model_copy(update={"columns": columns, "engine": engine})


def _silent(spec: S) -> S:
    copied = spec.model_copy(update={"ttl": None})
    copied.model_fields_set.discard("ttl")
    return copied


def _has_ttl(live: LiveObject | None) -> bool:
    form = live.form if live is not None else None
    return isinstance(form, TableForm) and bool(form.ttl or any(column.ttl for column in form.columns))


def _free(
    table: Table, declared: TableForm, live: LiveObject, catalog: Catalog, scratch: Scratch, path: UpgradePath
) -> Routine[tuple[Step | None, TableForm]]:
    from aaiclick.plan.rehearsal.empty_clone import attempt_alter
    from aaiclick.plan.table import make_table_diff

    form = live.form
    assert isinstance(form, TableForm)
    composed = compose(form, path.changes_of(table.name), declared, path.reached.get(live.uuid))
    target = make_target(table, declared, form, dict(composed.renames))
    diff = make_table_diff(catalog, scratch, live, form, target, None, table)
    changes = [
        _as_live(change, diff)
        for change in diff.changes
        if isinstance(change, _Change) and change.old and keeps_all(change.old, change.new)
    ]
    # Removals first: an ALTER that sets a TTL lets merges run again at its end, and no TTL that is to go may be left
    # then.
    commands = sorted(
        (command for change in changes for command in change.commands), key=lambda command: command.sets_ttl
    )
    if not commands:
        return None, form
    clone = yield from diff.make_clone(form, "ttl")
    for command in commands:
        outcome = yield from attempt_alter(clone, alter_table(clone.name, command.text))
        if not outcome.accepted or outcome.mutates:
            return None, form  # the strategy that is found for the table as a whole takes care of it
    always = bool(table.engine.settings.get("materialize_ttl_recalculate_only"))
    alters = tuple(
        Alter(alter_table(diff.name, each.text), retimes=each.sets_ttl, recalculating=each.sets_ttl and always)
        for each in commands
    )
    words = tuple(f"{change.words}, before anything else" for change in changes)
    work = AlterWork(live.name, alters, frees_ttl=True)
    return Step(
        f"{live.name}:ttl", live.name, "; ".join(words), "alter", [alter.sql for alter in alters], work, changes=words
    ), _freed(form, changes)


def _as_live(change: _Change, diff: TableDiff) -> _Change:
    """The change with the present name and type of its column."""
    if isinstance(change, ChangeTtl):
        return change
    old_names = {new: old for old, new in diff.target.renames}
    column = diff.form.column(old_names.get(change.name, change.name))
    return replace(change, name=column.name, type=column.type) if column is not None else change


def _freed(form: TableForm, changes: Sequence[_Change]) -> TableForm:
    columns = {change.name: change.new for change in changes if isinstance(change, ChangeColumnTtl)}
    ttl = next((change.new for change in changes if isinstance(change, ChangeTtl)), form.ttl)
    return replace(
        form,
        ttl=ttl,
        columns=tuple(replace(column, ttl=columns.get(column.name, column.ttl)) for column in form.columns),
    )
