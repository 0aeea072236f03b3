"""The steps of views and dictionaries that are missing: those that are filled, and those that are only made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import Catalog, Form, ViewForm
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.backfill.fill import create_filled_view
from aaiclick.plan.backfill.fill_order import filling_first, targets_filled, with_filled
from aaiclick.plan.backfill.view_steps import create_aggregate
from aaiclick.plan.dependents.declared_reads import Declared
from aaiclick.plan.dependents.undeclared_of_views import with_columns
from aaiclick.plan.model import Step
from aaiclick.routine import Routine
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import MaterializedView


@dataclass(frozen=True, slots=True)
class Around:
    """What new views stand among."""

    schema: Schema
    """What is declared."""
    items: Sequence[Declared]
    """The declared views and dictionaries."""
    catalog: Catalog
    """What is there."""
    topology: Topology
    """The hosts."""
    forms: Mapping[str, Form]
    """Of declared tables that are there."""
    targets: Mapping[str, Form]
    """Of tables that views write into."""
    wanted: Mapping[str, Form]
    """Of the declared views and dictionaries."""
    repeated: bool
    """All that is declared was there before."""


def plan_new(
    creates: Sequence[Step], others: Sequence[Step], around: Around, scratch: Scratch
) -> Routine[tuple[Step, ...]]:
    """The steps for what ``creates`` would make. ``others``: steps that are planned already, and come first."""
    items, catalog, topology, wanted = around.items, around.catalog, around.topology, around.wanted
    written = {item.name: item for item in items if isinstance(item, MaterializedView)}
    views = {name: form for name, form in wanted.items() if isinstance(form, ViewForm)}
    elsewhere: Mapping[str, str] = {}
    if around.repeated and topology.reached:
        from aaiclick.plan.clusters.missing_views import on_other_hosts

        elsewhere = yield from on_other_hosts(list(written.values()), wanted, catalog, topology)
    found: list[Step] = []
    # Each before those that read or write the table that it fills.
    for create in filling_first(creates, items):
        step = with_columns(create, items, views, catalog)
        view = written.get(step.object)
        if view is not None and view.name in elsewhere:
            from aaiclick.plan.clusters.missing_views import made_as_there

            step = made_as_there(step, view, elsewhere[view.name])
        elif view is not None:
            filled = targets_filled([*others, *found])
            step = yield from _made(view, step, filled, around, scratch)
            step = with_filled(view, step, filled, items, topology)
        found.append(step)
    return tuple(found)


def _made(
    view: MaterializedView, create: Step, filled: Mapping[str, Step], around: Around, scratch: Scratch
) -> Routine[Step]:
    catalog, topology, targets = around.catalog, around.topology, around.targets
    # What is filled before this view is there by then.
    known = {**around.forms, **{name: targets[name] for name in filled if name in targets}}
    if isinstance(view, AggregateView):
        return (yield from create_aggregate(view, known, catalog, topology))
    form, names = around.wanted.get(view.name), [table.name for table in around.schema.tables]
    return (
        yield from create_filled_view(view, create, form, known, targets, catalog, scratch, names, topology, filled)
    )
