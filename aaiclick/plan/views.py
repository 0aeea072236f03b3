"""Views, materialized views and dictionaries: created in the order in which they read each other, replaced where they
differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.catalog.declared_tables import canonical_tables, canonical_views
from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, UnsupportedForm, ViewForm
from aaiclick.catalog.scratch import Scratch
from aaiclick.clickhouse.topology import Topology
from aaiclick.errors import SpecError
from aaiclick.plan.backfill.view_steps import require_types
from aaiclick.plan.comparison.changed_views import step_of_changed, view_changes, with_difference
from aaiclick.plan.declaration.dictionaries import loads, require_attributes
from aaiclick.plan.declaration.materialized_views import check_views
from aaiclick.plan.dependents.declared_reads import Declared, first_ready, in_reading_order, names_of
from aaiclick.plan.dependents.dependent_steps import queries_of
from aaiclick.plan.dependents.dictionaries import changed_lookups, changed_values
from aaiclick.plan.dependents.undeclared_of_views import as_they_were
from aaiclick.plan.model import Step
from aaiclick.plan.operations import CreateWork
from aaiclick.plan.steps import obstacle_step, unreadable_step
from aaiclick.routine import Routine
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.ddl import create_sql
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.ddl import drop
from aaiclick.sql.quoting import qualified
from aaiclick.sql.secrets import without_secrets
from aaiclick.versions.upgrade_path import UpgradePath


def create_order(items: Sequence[Declared], catalog: Catalog) -> tuple[Step, ...]:
    """CREATE steps for the missing ones, each after those that it reads; else dictionaries, views, materialized views
    as declared.

    Raises ``SpecError`` for definitions that read each other in a circle.
    """
    items = as_they_were(items, catalog)
    rank = {Dictionary.noun: 0, View.noun: 1, MaterializedView.noun: 2}
    waiting = sorted((item for item in items if catalog.get(item.name) is None), key=lambda item: rank[item.noun])
    ordered: list[Declared] = []
    while waiting:
        ready = first_ready(waiting)
        if ready is None:
            raise SpecError(
                f"{waiting[0].noun} {waiting[0].name}",
                f"these definitions read each other in a circle: {', '.join(sorted(item.name for item in waiting))}",
            )
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(_create(item, catalog.database) for item in ordered)


def _create(item: Declared, database: str) -> Step:
    sql = create_sql(item, database)
    shown = without_secrets(sql) if isinstance(item, Dictionary) else sql
    load = loads(item, database) if isinstance(item, Dictionary) else ""
    work = CreateWork(
        sql,
        secret=shown != sql,
        load=load,
        undo=drop("DICTIONARY", qualified(database, item.name), if_exists=True) if load else "",
    )
    return Step(
        f"{item.name}:create", item.name, f"{item.noun} is missing", "create", [shown, *([load] if load else [])], work
    )


@dataclass(frozen=True, slots=True)
class PlannedViews:
    """What is to be done for declared views and dictionaries, and what was found out about them."""

    steps: tuple[Step, ...]
    """Those that differ or are missing, each behind what it reads."""
    queries: Mapping[str, str]
    """Each declared view that is there, with its new query; '' where that stays."""
    lookups: Mapping[str, DictionaryForm]
    """The dictionaries whose attributes change."""
    shapes: Mapping[str, ViewForm]
    """What each view becomes that was looked at."""
    revalued: frozenset[str]
    """The dictionaries that may give other values."""


def plan_views(
    schema: Schema,
    items: Sequence[Declared],
    catalog: Catalog,
    scratch: Scratch,
    forms: Mapping[str, Form],
    created: Mapping[str, Form],
    notes: list[str],
    topology: Topology,
    path: UpgradePath | None = None,
) -> Routine[PlannedViews]:
    """What is to be done for those that differ or are missing. ``forms``: of the tables that are there; ``created``: of
    those that are not, as far as they are in scratch. ``path``: None where they are brought to a version on the way."""
    items = as_they_were(items, catalog)
    present = [item for item in items if catalog.get(item.name) is not None]
    aggregates = [item for item in items if isinstance(item, AggregateView)]
    written = [item for item in items if isinstance(item, MaterializedView)]
    # Those that are missing are made in scratch: a view is compared with what its target will be.
    targets = yield from _targets(schema, written, {**forms, **created}, catalog, scratch)
    examined = _examined(items, catalog)
    wanted = (yield from canonical_views(scratch, examined, catalog, schema.tables)) if examined else {}
    views = {name: form for name, form in wanted.items() if isinstance(form, ViewForm)}
    for aggregate in aggregates:
        require_types(aggregate, wanted.get(aggregate.name), targets.get(aggregate.to or ""))
    notes += yield from check_views(
        schema, [item for item in written if not isinstance(item, AggregateView)], wanted, targets, catalog, scratch
    )
    yield from _require_attributes(schema, items, wanted, catalog, forms)
    found: list[Step] = []
    for item in present:
        live = catalog.objects[item.name]
        if isinstance(live.form, UnsupportedForm):
            found.append(unreadable_step(live.name, live.form.reason))
            continue
        form = wanted[item.name]
        # A table where a view is declared holds rows: nothing of another kind is dropped to make room.
        if live.form.kind != form.kind:
            found.append(obstacle_step(live.name, live.form.kind, item.noun))
        else:
            step = yield from step_of_changed(item, live, form, catalog, forms, topology)
            if isinstance(item, MaterializedView) and item.backfill and not isinstance(item, AggregateView):
                # Here because most views are not filled.
                from aaiclick.plan.backfill.fill import Fillable
                from aaiclick.plan.backfill.filled_again import filled_again

                known = Fillable(forms, targets, catalog, scratch, [each.name for each in schema.tables], topology)
                step = yield from filled_again(item, live, form, step, path, known)
            if step is not None:
                found.append(with_difference(step, live.form, form))
    if creates := create_order(items, catalog):
        from aaiclick.plan.backfill.new_views import Around, plan_new  # where something is missing

        repeated = path is not None and path.same_version
        among = Around(schema, items, catalog, topology, forms, targets, wanted, repeated)
        found += yield from plan_new(creates, found, among, scratch)
    # A view stores the types of its query when it is made, so what it reads is made or changed before it.
    steps = in_reading_order(found, items)
    return PlannedViews(
        steps, queries_of(catalog, views), changed_lookups(catalog, wanted), views, changed_values(catalog, wanted)
    )


def _require_attributes(
    schema: Schema, items: Sequence[Declared], wanted: Mapping[str, Form], catalog: Catalog, forms: Mapping[str, Form]
) -> Routine[None]:
    for item in items:
        if isinstance(item, Dictionary) and view_changes(catalog.get(item.name), wanted.get(item.name)):
            yield from require_attributes(item, schema, catalog, forms)


def _examined(items: Sequence[Declared], catalog: Catalog) -> list[Declared]:
    """Those of which it has to be known what the engine makes of them: that are there and understood, materialized
    views that are missing, what a killed run dropped, and what is missing and read by one of these."""
    found: list[Declared] = []
    others: list[Declared] = []
    for item in items:
        live = catalog.get(item.name)
        missing = isinstance(item, MaterializedView) or item.name in catalog.gone
        if missing if live is None else not isinstance(live.form, UnsupportedForm):
            found.append(item)
        elif live is None:
            others.append(item)
    for item in found:  # it grows meanwhile
        read = names_of(item)
        found += [other for other in others if other.name in read]
        others = [other for other in others if other.name not in read]
    return found


def _targets(
    schema: Schema, views: Sequence[MaterializedView], forms: Mapping[str, Form], catalog: Catalog, scratch: Scratch
) -> Routine[dict[str, Form]]:
    """The tables that materialized views write into, as declared. Those that are missing are created in scratch."""
    missing = [
        table for table in schema.tables if table.name not in forms and any(item.to == table.name for item in views)
    ]
    made = (yield from canonical_tables(scratch, missing, catalog)) if missing else {}
    return {**forms, **made}
