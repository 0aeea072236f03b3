"""Distributed tables in step with the tables that they stand before, and what would break them. Pure.

A Distributed table has columns of its own. What it takes and has not sent yet waits in files with the columns of then,
and a column that is gone is refused for ever. So a column is added to the local tables first; it is taken from the
Distributed table first, whose files are sent then, and from the local tables last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, AttachWork, RebuildWork
from aaiclick.specs.engines import Engine
from aaiclick.specs.schema import Schema
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.tokens import TokenError, split_top, unquote

ENGINE = "Distributed"


def in_step(
    steps: Sequence[Step],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    topology: Topology,
    elsewhere: Collection[str] = (),
) -> tuple[Step, ...]:
    """The steps, those of Distributed tables before or behind those of their local tables; blocked where the sharding
    key would change. ``targets``: the new forms of tables that differ; ``elsewhere``: clusters of other hosts."""
    ordered = list(steps)
    for name, wanted in sorted(targets.items()):
        live = catalog.get(name)
        was = live.form if live is not None else None
        if wanted.engine != ENGINE or not isinstance(was, TableForm) or was.engine != ENGINE:
            continue
        # On one shard every row is where any key looks for it.
        refusal = sharding_refusal(was, wanted) if topology.shards > 1 else ""
        if refusal:
            for index, step in enumerate(ordered):
                if step.object == name:
                    ordered[index] = replace(step, blocked=step.blocked or refusal)
        _place(
            ordered, name, local_table(wanted, catalog.database, elsewhere), first=bool(_names(was) - _names(wanted))
        )
    return tuple(ordered)


def sharding_refusal(was: TableForm, wanted: TableForm) -> str:
    """Why the sharding key cannot change so; '' where it stays, or there was none."""
    before, now = _argument(was, 3), _argument(wanted, 3)
    if not before:
        return ""
    # Spaces and outer parentheses stay as they were typed, and say nothing about where a row goes.
    if "".join(before.split()).strip("()") != "".join(now.split()).strip("()"):
        return (
            f"{wanted.name}: its sharding key would change from {before} to {now or 'none'}, and rows never leave "
            "their shard: those that are there would not be where the new key looks for them. Make another pair of "
            "tables, and copy the rows through the Distributed one"
        )
    gone = sorted(mentioned(before, [column.name for column in was.columns]) - _names(wanted))
    if gone:
        return (
            f"{wanted.name}: its sharding key {before} reads {', '.join(gone)}, which would be gone: the servers would "
            "not start again"
        )
    return ""


def local_table(form: TableForm, database: str, elsewhere: Collection[str] = ()) -> str:
    """The table of the same database that a Distributed table stands before; '' for another one, and for one of a
    cluster of other hosts. ``elsewhere``: such clusters, as far as they are known."""
    if unquote(_argument(form, 0)) in elsewhere:
        return ""
    place = _argument(form, 1)
    here = unquote(place) in ("", database) or place.startswith("currentDatabase")
    return unquote(_argument(form, 2)) if here else ""


def clusters_named(schema: Schema, catalog: Catalog) -> frozenset[str]:
    """The clusters of Distributed tables, declared and live. One with a macro in its name is not among them."""
    forms = [live.form for live in catalog.objects.values() if isinstance(live.form, TableForm)]
    for table in schema.tables:
        if isinstance(table.engine, Engine):
            forms.append(TableForm(table.name, table.engine.name, (), arguments=table.engine.arguments))
    names = (unquote(_argument(form, 0)) for form in forms if form.engine == ENGINE)
    return frozenset(name for name in names if name and "{" not in name)


def _argument(form: TableForm, index: int) -> str:
    try:
        arguments = split_top(form.arguments)
    except TokenError:
        return ""
    return arguments[index].strip() if len(arguments) > index else ""


def _names(form: TableForm) -> set[str]:
    return {column.name for column in form.columns}


def _place(ordered: list[Step], name: str, local: str, *, first: bool) -> None:
    """Put the steps of a Distributed table right before the first, or behind the last, step of its local table."""
    # Drops that are left to the operator have a place of their own, in front of those of the local table.
    own = [step for step in ordered if step.object == name and not step.optional]
    changing = [
        step
        for step in ordered
        if step.object == local and not step.optional and isinstance(step.work, AlterWork | RebuildWork | AttachWork)
    ]
    if not own or not changing:
        return
    rest = [step for step in ordered if step not in own]
    at = rest.index(changing[0]) if first else rest.index(changing[-1]) + 1
    ordered[:] = [*rest[:at], *own, *rest[at:]]
