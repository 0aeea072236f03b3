"""A column that goes from a table and from the Distributed table that stands before it: by one permission, and from the
Distributed table first. Pure.

What a Distributed table has and its local table has not is refused by every shard, after it was acknowledged. So
where the local table has lost a column already, the Distributed table has to lose it, too; and one that is declared
with a column that its local table has not is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.clusters.distributed import ENGINE, local_table
from aaiclick.plan.dependents.buffer_distributed_columns import DROP
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, AttachWork, RebuildWork
from aaiclick.specs.engines import Engine
from aaiclick.specs.schema import Schema


def drops_in_step(
    steps: Sequence[Step],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    allowed: Collection[str],
    elsewhere: Collection[str] = (),
) -> tuple[Step, ...]:
    """The steps, with each drop of a column of a Distributed table in front of the one of its local table and allowed
    by the key of that. ``targets``: the new forms of tables that differ; ``allowed``: what the policy allows by
    name; ``elsewhere``: clusters of other hosts."""
    ordered = list(steps)
    for step in steps:
        name, drops, column = step.id.partition(DROP)
        live = catalog.get(name)
        form = live.form if live is not None else None
        if not drops or not isinstance(form, TableForm) or form.engine != ENGINE:
            continue
        local = local_table(form, catalog.database, elsewhere)
        there = catalog.get(local) if local else None
        if there is None or not isinstance(there.form, TableForm):
            continue
        goes = next((each for each in ordered if _loses(each, local, column, targets)), None)
        if goes is not None:
            _pair(ordered, step, goes, column, allowed)
        elif (
            _sent(form, column)
            and there.form.column(column) is None
            and (local not in targets or targets[local].column(column) is None)
        ):
            ordered[ordered.index(step)] = _broken(step, local, column)
    return tuple(ordered)


def columns_apart(schema: Schema, catalog: Catalog, elsewhere: Collection[str] = ()) -> tuple[Step, ...]:
    """A blocked step for each Distributed table that is declared with a column which its local table has not.
    ``elsewhere``: clusters of other hosts."""
    tables = {table.name: table for table in schema.tables}
    found: list[Step] = []
    for name, table in tables.items():
        if not isinstance(table.engine, Engine) or table.engine.name != ENGINE:
            continue
        form = TableForm(name, ENGINE, (), arguments=table.engine.arguments)
        local = tables.get(local_table(form, catalog.database, elsewhere))
        if local is None:
            continue
        live = catalog.get(local.name)
        there = {column.name for column in local.columns}
        there |= {column.name for column in live.form.columns} if live and isinstance(live.form, TableForm) else set()
        # A Distributed table sends none of these: a shard computes its own.
        kinds = ("alias", "materialized", "ephemeral")
        stored = (column.name for column in table.columns if not any(column.declares(kind) for kind in kinds))
        more = [column for column in stored if not _has(column, there)]
        if more:
            said = f"{'columns' if len(more) > 1 else 'column'} {', '.join(more)}"
            why = (
                f"{name} is declared with {said}, which {local.name}, the table that it stands before, has not: every "
                f"shard would refuse what is inserted into {name}. Declare {said} in both tables, or in neither"
            )
            words = f"has {said}, and {local.name} has not"
            found.append(Step(f"{name}:columns", name, words, "alter", [], AlterWork(name, ()), blocked=why))
    return tuple(found)


def _sent(form: TableForm, column: str) -> bool:
    """Whether an INSERT into the Distributed table sends the column to shards: an ALIAS, say, is its own affair."""
    found = form.column(column)
    return found is not None and found.kind in ("", "DEFAULT")


def _has(column: str, there: Collection[str]) -> bool:
    """Also where one of them names the Nested and the other one its parts."""
    return any(column == other or column.startswith(f"{other}.") or other.startswith(f"{column}.") for other in there)


def _loses(step: Step, table: str, column: str, targets: Mapping[str, TableForm]) -> bool:
    """True for the step with which the table loses the column, whether by its drop or by a copy that cannot hold it."""
    if step.object != table:
        return False
    if step.id == f"{table}{DROP}{column}":
        return True
    if step.optional or not any(hazard.allow == f"drop-column {table}.{column}" for hazard in step.hazards):
        return False
    work = step.work
    form = work.form if isinstance(work, RebuildWork | AttachWork) else targets.get(table)
    return form is not None and form.column(column) is None


def _pair(ordered: list[Step], step: Step, goes: Step, column: str, allowed: Collection[str]) -> None:
    key, own = f"drop-column {goes.object}.{column}", f"drop-column {step.object}.{column}"
    if step.blocked and not goes.blocked:
        why = f"{step.object}, which stands before it, has to lose {column} first: {step.blocked}"
        ordered[ordered.index(goes)] = goes = replace(goes, blocked=why)
    wanted = own in {*allowed, *step.allowed}
    if not wanted or key in {*allowed, *goes.allowed}:
        # One decision about one column: nobody can want the drop without this one.
        hazards = tuple(replace(each, allow=key if each.allow == own else each.allow) for each in step.hazards)
        decided = tuple(each for each in goes.allowed if each == key)
        paired = replace(step, hazards=hazards, allowed=decided, optional=goes.optional)
    else:
        paired = step
    # Right in front of the other one: what is not sent yet has the column still.
    ordered.remove(step)
    ordered.insert(ordered.index(goes), paired)


def _broken(step: Step, local: str, column: str) -> Step:
    """The drop as something that is required: as it is, the table does not work."""
    own = f"drop-column {step.object}.{column}"
    why = (
        f"{local}, which {step.object} stands before, has no column {column}: what is inserted into {step.object} is "
        f"refused by every shard, also when it was acknowledged, as long as {step.object} has it"
    )
    hazards = tuple(replace(each, message=why) if each.allow == own else each for each in step.hazards)
    assert isinstance(step.work, AlterWork)
    return replace(step, hazards=hazards or (Hazard("old-code-breaks", why, own),), optional=False)
