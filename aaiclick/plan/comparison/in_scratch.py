"""The plan of tables and views that are there and may differ: what is declared is created in a scratch database, and
compared with what is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.declared_views import unchanged_views
from aaiclick.catalog.forms import (
    Catalog,
    Form,
    LiveObject,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.server_objects.functions import with_stand_ins
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.compare import Differing
from aaiclick.plan import steps
from aaiclick.plan.comparison.changed_views import altered_in_place, made_anew
from aaiclick.plan.comparison.recorded import Planned, declared_views, differs, given_up, known_form, seen_by_all
from aaiclick.plan.declaration.new_lookups import behind_lookups, with_new_lookups
from aaiclick.plan.dependents.buffer_distributed_columns import DROP
from aaiclick.plan.dependents.buffer_merge_distributed import emptied_first
from aaiclick.plan.dependents.declared_reads import set_off_by, with_their_sources, written_by
from aaiclick.plan.dependents.dependent_steps import DependentSteps, PlannedChanges, in_order, plan_dependents, revalued
from aaiclick.plan.dependents.dependents import Dependent
from aaiclick.plan.dependents.dropped_first import droppable_views, dropped_first
from aaiclick.plan.dependents.drops import BeforeDrop, guard_drops
from aaiclick.plan.dependents.read import Reader, read_dependents
from aaiclick.plan.dependents.stopped_views import refreshed_again, stopped_again
from aaiclick.plan.families import family_tables
from aaiclick.plan.materialize import requested
from aaiclick.plan.model import Step
from aaiclick.plan.rehearsal.cache import RehearsalCache, Rehearsed
from aaiclick.plan.rehearsal.definitions import forms_in_scratch, rewritten_forms
from aaiclick.plan.server_objects.planned import PlannedServerObjects
from aaiclick.plan.views import PlannedViews, plan_views
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.versions.upgrade_path import UpgradePath


@dataclass(frozen=True, slots=True)
class ToCompare:
    """What is to be compared, and what is planned already."""

    schema: Schema
    """What is declared."""
    catalog: Catalog
    """What is there."""
    path: UpgradePath
    """The way from the live version to the declared one."""
    first: PlannedServerObjects
    """Of functions, named collections and the database."""
    created: Sequence[Step]
    """Of tables that are missing."""
    dropped: Sequence[Step]
    """Of what is declared no longer."""
    sources: Mapping[str, LiveObject]
    """The live table of each declared one that is there."""
    present: Sequence[View | MaterializedView | Dictionary]
    """The declared views and dictionaries that are there."""
    tried: Rehearsed
    """What this run has tried before; it is added to."""
    missing: Sequence[Table] = ()
    """The declared tables that are not there."""


def plan_in_scratch(compared: ToCompare, beside: Sequence[str]) -> Routine[Planned]:
    """All steps of a schema, with those of the tables and views that are there. ``beside``: notes on what else is."""
    first, tried = compared.first, compared.tried

    def plan(scratch: Scratch) -> Routine[Planned]:
        return (yield from _plan_objects(compared, scratch, [*first.notes, *beside]))

    def body(scratch: Scratch) -> Routine[Planned]:
        return (yield from with_new_lookups(scratch, compared.schema.objects, compared.catalog, plan))

    def inside(scratch: Scratch) -> Routine[Planned]:
        # Asked for once: the next plan of this run opens its scratch with them.
        tried.permissive = scratch.settings
        if not first.changed:
            return (yield from body(scratch))
        return (yield from with_stand_ins(scratch, first.changed, body))

    return (yield from with_scratch(inside, fallback=compared.catalog.database, settings=tried.permissive))


def _plan_objects(compared: ToCompare, scratch: Scratch, notes: list[str]) -> Routine[Planned]:
    """Tables first, then views and dictionaries, then what else reads them; all in the order in which it is carried
    out."""
    catalog, path = compared.catalog, compared.path
    others = declared_views(compared.schema)
    declared, tables = _with_families(compared, notes)
    targets: dict[str, TableForm] = {}
    cache = RehearsalCache(rehearsed=compared.tried, views=catalog.views)
    # Asked before the tables are planned: their changes may break a view that is replaced, and none that stays.
    kept, with_views = yield from _with_views(path, compared.present, catalog)
    # Before the views: these are made in scratch over the declared tables, which are there from now on.
    found, forms = yield from _plan_tables(
        declared, tables, catalog, scratch, with_views, cache, bool(others), notes, targets
    )
    made = yield from _tried(compared, scratch)
    planned = yield from plan_views(compared.schema, others, catalog, scratch, forms, made, notes, path.topology, path)
    yield from _try_others(compared, declared, scratch, planned.revalued)
    # Known only now: planning the tables has shown which views would refuse INSERTs behind a change.
    early, replaced = dropped_first(cache.dropped_first, planned.steps, others, catalog, planned.shapes)
    replaced, writing = yield from _with_outputs(replaced, others, declared, catalog, targets, planned, notes)
    required = [step for step in found if not step.optional]
    before_drops = yield from _seen_before_drops(found, catalog.database, path.topology)
    # Optional drops are carried out last, so they are judged by what the steps before them leave.
    optional = yield from guard_drops(
        [step for step in found if step.optional],
        catalog,
        BeforeDrop(targets, replaced, planned.queries, path.topology, _new_views(others, catalog), writing),
    )
    moved = {live.name: name for name, live in tables.items() if live.name != name}
    followed = _anew(replaced) | (path.replaced_views - kept - frozenset(planned.queries))
    rewritten = revalued(required, tables, targets, path) | {name for name, query in planned.queries.items() if query}
    said = planned.queries, followed, planned.lookups, planned.revalued | rewritten, path.topology
    changes = PlannedChanges(targets, moved, *said, cache.renamed_columns)
    around = yield from plan_dependents(catalog, changes, (*required, *replaced))
    notes += around.notes
    around, replaced = made_anew(around, replaced, others, catalog, planned.shapes)
    views = _in_turn(replaced, around.behind, path, others)
    # Functions first, because anything may call them; new tables before what reads them; a view that stores types
    # before its table gets wider ones; drops last, when nothing needs the object any more.
    changed = (*early, *around.before, *in_order(required, around), *views)
    becoming: dict[str, TableForm | ViewForm] = {**planned.shapes, **targets}
    changed = emptied_first(changed, catalog, becoming, moved, cache.renamed_columns, around.through)
    changed = yield from _asked_before(compared, around, targets, moved, changed, notes)
    # Over all views that are made, whichever part has planned them.
    changed = yield from stopped_again(changed, catalog, path.topology, path.stopped_views, notes)
    changed = yield from refreshed_again(changed, others, planned.queries, catalog, path.topology, notes)
    freed = given_up(tables)
    apart = _set_off_between(compared.created, freed, others, catalog)
    # One sentence about each: what else blocks such a view is said of the new table under the name.
    told = {step.object for step in apart}
    changed = tuple(step for step in changed if not (step.blocked and step.object in told))
    first = (*compared.first.steps, *compared.created, *apart)
    listed = steps.names_made_free((*first, *changed, *optional, *compared.dropped), freed)
    listed = (yield from _taking_views(listed, moved, compared)) if moved else listed
    all_forms = {**forms, **compared.first.forms}
    listed = behind_lookups(listed, compared.schema.objects, catalog)
    ways_out = steps.with_ways_out(listed, path.dropped)
    return Planned(ways_out, tuple(notes), all_forms, targets, seen_by_all(before_drops, around.readers))


def _seen_before_drops(found: Sequence[Step], database: str, topology: Topology) -> Routine[frozenset[Reader] | None]:
    """What may read tables that lose columns, before it is looked whether that stands in the way of a drop."""
    if not any(DROP in step.id and not step.blocked for step in found):
        return None
    seen: set[Reader] = set()
    yield from read_dependents(database, {}, topology, seen)
    return frozenset(seen)


def _taking_views(listed: tuple[Step, ...], moved: Mapping[str, str], compared: ToCompare) -> Routine[tuple[Step, ...]]:
    """The steps, where renamed tables take their views along."""
    # Here because most plans rename nothing.
    from aaiclick.plan.backfill.renamed_sources import with_their_views

    return (yield from with_their_views(listed, moved, compared.catalog, compared.path.topology))


def _with_families(compared: ToCompare, notes: list[str]) -> tuple[list[Table], dict[str, LiveObject]]:
    """The declared tables with those of the families, and the live tables by the declared names."""
    declared, tables = list(compared.schema.tables), dict(compared.sources)
    for family in (item for item in compared.schema.objects if isinstance(item, TableFamily)):
        for table in family_tables(family, compared.catalog, frozenset(tables), notes):
            declared.append(table)
            tables[table.name] = compared.catalog.objects[table.name]
    return declared, tables


def _with_outputs(
    replaced: tuple[Step, ...],
    items: Sequence[View | MaterializedView | Dictionary],
    declared: Sequence[Table],
    catalog: Catalog,
    targets: Mapping[str, TableForm],
    planned: PlannedViews,
    notes: list[str],
) -> Routine[tuple[tuple[Step, ...], Sequence[Dependent]]]:
    """The steps of views, where the targets of new ones have what their queries yield; and the new views whose query
    may name every column."""
    new = [item for item in items if isinstance(item, MaterializedView) and catalog.get(item.name) is None]
    if not new:
        return replaced, ()
    from aaiclick.plan.declaration.undeclared_outputs import new_dependents, require_alone, require_outputs

    replaced = yield from require_outputs(replaced, new, declared, catalog, targets, planned.shapes)
    replaced = yield from require_alone(replaced, new, items, catalog, planned.shapes, notes)
    return replaced, new_dependents(new, catalog, planned.shapes)


def _set_off_between(
    created: Sequence[Step],
    freed: Mapping[str, str],
    items: Sequence[View | MaterializedView | Dictionary],
    catalog: Catalog,
) -> list[Step]:
    """Blocks views over a table that gives its name to a new one, or into it: between the CREATE of that one and its
    own change such a view would take the rows of the new one, or write into it."""
    again = {step.object for step in created} & freed.keys()
    becomes = "{}, which becomes {} while a new table gets its name: let another version come between"
    written = written_by(again, items, catalog)
    said = {view: ("writes into what changes", f"it writes into {becomes}", name) for view, name in written.items()}
    read = set_off_by(again, items, catalog)
    said |= {
        view: ("reads what changes", f"it is set off by inserts into {becomes}", name) for view, name in read.items()
    }
    return [
        steps.blocked_step(f"{view}:reads", view, change, why.format(name, freed[name]))
        for view, (change, why, name) in said.items()
    ]


def _asked_before(
    compared: ToCompare,
    around: DependentSteps,
    targets: Mapping[str, TableForm],
    moved: Mapping[str, str],
    changed: tuple[Step, ...],
    notes: list[str],
) -> Routine[tuple[Step, ...]]:
    """The steps, with those around them for tables whose expressions ask what they give other values."""
    if not around.lookups:
        return changed
    # Here because in most plans nothing changes that is looked up.
    from aaiclick.plan.old_parts.looked_up import looked_up, reloaded, without_written

    path = compared.path
    asking = yield from looked_up(
        compared.catalog, around, targets, moved, path.topology, reads_no_rows=path.max_read_bytes == 0
    )
    notes += asking.notes
    again = reloaded(compared.schema, compared.catalog.database, around, path, changed)
    return (*asking.before, *without_written(changed, asking.before), *again, *asking.behind)


def _missing(items: Sequence[View | MaterializedView | Dictionary], catalog: Catalog) -> list[View | Dictionary]:
    """The plain views and dictionaries that are not there. Materialized views are looked at as those that are."""
    return [item for item in items if not isinstance(item, MaterializedView) and catalog.get(item.name) is None]


def _new_views(items: Sequence[View | MaterializedView | Dictionary], catalog: Catalog) -> dict[str, str]:
    """The query of each plain view that is not there."""
    return {item.name: item.query for item in _missing(items, catalog) if isinstance(item, View)}


def _tried(compared: ToCompare, scratch: Scratch) -> Routine[dict[str, TableForm]]:
    """Missing tables that the server might refuse, or that a missing view reads: made in scratch."""
    missing, catalog = compared.missing, compared.catalog
    # A script that is pending creates first what their definitions name.
    if not missing or compared.path.changed_later:
        return {}
    # Here because most starts make nothing.
    from aaiclick.plan.declaration.creatable import tables_to_try
    from aaiclick.plan.declaration.trials import try_tables

    tables = yield from tables_to_try(missing, _missing(declared_views(compared.schema), catalog))
    return (yield from try_tables(scratch, tables, catalog))


def _try_others(
    compared: ToCompare, declared: Sequence[Table], scratch: Scratch, changed: frozenset[str]
) -> Routine[None]:
    """Missing views and dictionaries, and dictionaries that change, over all that is in scratch by now."""
    others, catalog = declared_views(compared.schema), compared.catalog
    tried = [
        *_missing(others, catalog),
        *(item for item in others if isinstance(item, Dictionary) and item.name in changed),
    ]
    if not tried or compared.path.changed_later:
        return
    from aaiclick.plan.declaration.trials import try_others

    yield from try_others(scratch, tried, declared, catalog, [item.name for item in compared.schema.objects])


def _with_views(
    path: UpgradePath, present: Sequence[View | MaterializedView | Dictionary], catalog: Catalog
) -> Routine[tuple[frozenset[str], UpgradePath]]:
    """The declared views that stay as they are, and the path with what may become of the others while tables change.

    Only a view that is replaced may break for a moment. One that stays as it is must not.
    """
    queried = [item for item in present if isinstance(item, View | MaterializedView)]
    kept = yield from unchanged_views(queried, catalog)
    rewritten = frozenset(item.name for item in queried) - kept
    return kept, replace(
        path,
        replaced_views=path.replaced_views - kept,
        rewritten_views=rewritten,
        droppable_views=droppable_views(queried, catalog) - kept,
    )


def _in_turn(
    replaced: Sequence[Step],
    behind: Sequence[Step],
    path: UpgradePath,
    items: Sequence[View | MaterializedView | Dictionary],
) -> tuple[Step, ...]:
    """Steps of declared views: those that break while their tables change go before those that follow the tables, and
    what they read before them."""
    broken = [step.object for step in replaced if step.strategy == "replace" and step.object in path.replaced_views]
    first = with_their_sources(broken, items)
    plain = tuple(step for step in replaced if step.object in first)
    return (*plain, *behind, *(step for step in replaced if step not in plain))


def _anew(steps: Sequence[Step]) -> frozenset[str]:
    """Views that are made anew. One that is only altered goes on with its stored types and its own table: these have to
    follow its tables."""
    return frozenset(step.object for step in steps if step.blocked or not altered_in_place(step))


def _plan_tables(
    declared: list[Table],
    sources: Mapping[str, LiveObject],
    catalog: Catalog,
    scratch: Scratch,
    path: UpgradePath,
    cache: RehearsalCache,
    read: bool,
    notes: list[str],
    targets: dict[str, TableForm],
) -> Routine[tuple[list[Step], dict[str, Form]]]:
    """The steps of the declared tables that are there, and the forms of these. ``notes`` and ``targets`` are added
    to."""
    present = [table for table in declared if table.name in sources]
    # A definition that is not understood is only reported: compared without the unknown clause it might look equal.
    understood = [table for table in present if not isinstance(sources[table.name].form, UnsupportedForm)]
    recorded = {table.name: known_form(table, sources[table.name], path) for table in understood}
    known = {name: form for name, form in recorded.items() if form is not None}
    unknown = [table for table in understood if table.name not in known]
    forms = {**known, **(yield from forms_in_scratch(scratch, unknown, catalog, sources, cache.rehearsed, read))}
    found: list[Step] = []
    differing: list[Differing] = []
    for table in present:
        live, in_sync = sources[table.name], table.name in known
        found += yield from _compared(table, live, forms.get(table.name), in_sync, catalog, path, cache, differing)
    # Another release may have written the same definition in other words. So a live table that differs is created in
    # scratch, and compared again as this server writes it.
    rewritten = yield from rewritten_forms(scratch, [each.form for each in differing], cache.rehearsed)
    if not differing:
        return found, dict[str, Form](forms)
    # Here because it is a third of the planner: where nothing differs, most of a start would go into loading it.
    from aaiclick.plan.table import plan_differing

    for each in differing:
        again = rewritten[each.live.name]
        assert isinstance(again, TableForm)
        found += yield from plan_differing(each, again, catalog, scratch, path, cache, notes, targets)
    return found, dict[str, Form](forms)


def _compared(
    table: Table,
    live: LiveObject,
    declared: TableForm | None,
    in_sync: bool,
    catalog: Catalog,
    path: UpgradePath,
    cache: RehearsalCache,
    differing: list[Differing],
) -> Routine[list[Step]]:
    """What can be said of a table before it is known how it would be changed: that it cannot be read, is no table, gets
    another name, or is in sync. One that differs is added to ``differing``. ``declared``: None where the live
    definition is not understood; ``in_sync``: it is known already not to differ."""
    if isinstance(live.form, UnsupportedForm):
        return [steps.unreadable_step(live.name, live.form.reason)]
    if not isinstance(live.form, TableForm):
        return [steps.obstacle_step(live.name, live.form.kind, table.noun)]
    assert declared is not None
    found: list[Step] = []
    data_name = live.name
    if live.name != table.name:
        from aaiclick.plan.proof.row_policies import rename_with_policies
        from aaiclick.plan.table import renamed

        renaming = steps.rename_step(catalog.database, live.name, table.name)
        found.append((yield from rename_with_policies(cache, catalog.database, live.name, renaming, path.topology)))
        live = renamed(live, table.name)
    assert isinstance(live.form, TableForm)
    if not in_sync and differs(table, declared, live, path):
        differing.append(Differing(table, declared, live, live.form, data_name))
    elif path.requested:
        found += yield from requested(catalog.database, live, path.requested, path.topology)
    return found
