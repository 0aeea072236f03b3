"""The plan of a whole schema: creates what is missing, changes what differs, reports what nobody declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.declared_views import unchanged_views
from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog, Form, LiveObject, TableForm, UnsupportedForm, ViewForm
from aaiclick.catalog.read import REPLICATED_DATABASES
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.server_objects.functions import with_stand_ins
from aaiclick.diff.compare import Differing, diff_table
from aaiclick.diff.target import make_target
from aaiclick.errors import MigrationError
from aaiclick.plan import steps
from aaiclick.plan.backfill.view_steps import require_aggregates
from aaiclick.plan.creates import create_tables
from aaiclick.plan.declaration.dictionaries import require_attributes
from aaiclick.plan.declaration.expressions import require_creatable
from aaiclick.plan.declaration.names import require_names
from aaiclick.plan.dependents.dependent_steps import PlannedChanges, in_order, plan_dependents
from aaiclick.plan.dependents.dropped_first import droppable_views, dropped_first, passive_views
from aaiclick.plan.dependents.drops import BeforeDrop, guard_drops
from aaiclick.plan.dependents.stopped_views import stopped_again
from aaiclick.plan.families import family_tables
from aaiclick.plan.materialize import requested
from aaiclick.plan.model import Step
from aaiclick.plan.rehearsal.cache import RehearsalCache, Rehearsed
from aaiclick.plan.rehearsal.definitions import declared_forms, repeatable, rewritten_forms
from aaiclick.plan.server_objects.planned import plan_server_objects
from aaiclick.plan.views import altered_in_place, create_order, made_anew, plan_views
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.versions.compose import compose
from aaiclick.versions.upgrade_path import UpgradePath


@dataclass(frozen=True, slots=True)
class Planned:
    """The steps, in the order in which they are carried out.

    ``forms`` are the canonical forms of declared objects, as far as they were worked out. ``targets`` are the new
    forms of tables that differ.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    forms: Mapping[str, Form]
    targets: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])


def basis_of(catalog: Catalog) -> str:
    """A digest of the live definitions for which a plan is made."""
    return text_digest({name: live.text for name, live in catalog.objects.items()})


def plan_objects(
    schema: Schema, catalog: Catalog, path: UpgradePath, rehearsed: Rehearsed | None = None
) -> Routine[Planned]:
    """All steps between the live database and the declaration. Scratch is opened only where a declared object is there
    already. ``rehearsed``: what this run has tried before; it is added to."""
    require_aggregates(schema)
    first = yield from plan_server_objects(schema, catalog, path)
    # The recorded forms hold the former bodies of the functions.
    path = replace(path, recorded_forms={}) if first.changed else path
    # So does what was tried before, where somebody replaces a function between two looks.
    tried = rehearsed if rehearsed is not None and not schema.functions else Rehearsed()
    forms_of: dict[str, Form] = dict(first.forms)
    sources = {
        table.name: source for table in schema.tables if (source := live_source(table, catalog, path)) is not None
    }
    _check_sources(schema, catalog, sources, path)
    require_names(schema, catalog, sources, [step.object for step in first.steps if step.strategy == "create"])
    # A table under a former name is not missing: to create an empty one beside it would leave its rows behind.
    missing = [table for table in schema.tables if table.name not in sources]
    if not first.makes and not path.changed_later:  # else a function or a script creates first what the tables name
        yield from require_creatable(missing, catalog)
    created = yield from create_tables(missing, catalog)
    others = [item for item in schema.objects if isinstance(item, View | MaterializedView | Dictionary)]
    families = [item for item in schema.objects if isinstance(item, TableFamily)]
    dropped = (*_dropped(schema, catalog, sources, path), *first.dropped)
    present = [item for item in others if catalog.get(item.name) is not None]
    # No INSERT meets these views, so they may break for a moment while their tables change.
    path = replace(path, replaced_views=path.replaced_views | passive_views(others, catalog))
    # The engine says whether a materialized view can be made, and whether its types are right.
    # Nothing is there that could differ from its declaration, so no scratch database is made.
    if not sources and not present and not families and not any(isinstance(item, MaterializedView) for item in others):
        for item in others:
            if isinstance(item, Dictionary):
                yield from require_attributes(item, schema, catalog, forms_of)
        return Planned((*first.steps, *created, *create_order(others, catalog), *dropped), first.notes, forms_of)
    if not others and not families and (as_recorded := _as_recorded(schema, sources, path)) is not None:
        beside = (*first.notes, *_beside(schema, catalog, sources, path))
        return Planned((*first.steps, *created, *dropped), beside, {**as_recorded, **forms_of})

    def body(scratch: Scratch) -> Routine[Planned]:
        tables = dict(sources)
        declared = list(schema.tables)
        notes = [*first.notes, *_beside(schema, catalog, sources, path)]
        for family in families:
            for table in family_tables(family, catalog, frozenset(tables), notes):
                declared.append(table)
                tables[table.name] = catalog.objects[table.name]
        targets: dict[str, TableForm] = {}
        cache = RehearsalCache(rehearsed=tried)
        # Asked before the tables are planned: their changes may break a view that is replaced, and none that stays.
        kept, with_views = yield from _with_views(path, present, catalog)
        # Before the views: these are made in scratch over the declared tables, which are there from now on.
        found, forms = yield from _plan_tables(
            declared, tables, catalog, scratch, with_views, cache, bool(others), notes, targets
        )
        queries: dict[str, str] = {}
        replaced = yield from plan_views(schema, others, catalog, scratch, forms, notes, queries)
        # Known only now: planning the tables has shown which views would refuse INSERTs behind a change.
        early, replaced = dropped_first(cache.dropped_first, replaced, others, catalog)
        required = [step for step in found if not step.optional]
        # Optional drops are carried out last, so they are judged by what the steps before them leave.
        optional = yield from guard_drops(
            [step for step in found if step.optional],
            catalog,
            BeforeDrop(targets, replaced, queries, path.topology),
        )
        moved = {live.name: name for name, live in tables.items() if live.name != name}
        followed = _anew(replaced) | (path.replaced_views - kept - frozenset(queries))
        around = yield from plan_dependents(
            catalog, PlannedChanges(targets, moved, queries, followed), (*required, *replaced)
        )
        notes += around.notes
        around, replaced = made_anew(around, replaced, others, catalog)
        views = _in_turn(replaced, around.behind, path)
        # Functions first, because anything may call them; new tables before what reads them; a view that stores types
        # before its table gets wider ones; drops last, when nothing needs the object any more.
        changed = (*early, *around.before, *in_order(required, around), *views)
        # Over all views that are made, whichever part has planned them.
        changed = yield from stopped_again(changed, path.topology, path.stopped_views, notes)
        listed = (*first.steps, *created, *changed, *optional, *dropped)
        return Planned(steps.with_ways_out(listed, path.dropped), tuple(notes), {**forms, **forms_of}, targets)

    def inside(scratch: Scratch) -> Routine[Planned]:
        # Asked for once: the next plan of this run opens its scratch with them.
        tried.permissive = scratch.settings
        if not first.changed:
            return (yield from body(scratch))
        return (yield from with_stand_ins(scratch, first.changed, body))

    return (yield from with_scratch(inside, fallback=_fallback(catalog), settings=tried.permissive))


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


def _in_turn(replaced: Sequence[Step], behind: Sequence[Step], path: UpgradePath) -> tuple[Step, ...]:
    """Steps of declared views: those that break while their tables change go before those that follow the tables."""
    plain = tuple(step for step in replaced if step.strategy == "replace" and step.object in path.replaced_views)
    return (*plain, *behind, *(step for step in replaced if step not in plain))


def _fallback(catalog: Catalog) -> str | None:
    """The database for scratch where none can be made. Inside a Replicated one its tables would be on every host."""
    return None if catalog.database_engine in REPLICATED_DATABASES else catalog.database


def _anew(steps: Sequence[Step]) -> frozenset[str]:
    """Views that are made anew. One that is only altered goes on with its stored types and its own table: these have to
    follow its tables."""
    return frozenset(step.object for step in steps if step.blocked or not altered_in_place(step))


def _check_sources(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath) -> None:
    """Raise ``MigrationError`` where two declared tables would be made from the same live one, and where a migration
    drops an object whose name another one gets later, or the rows that a view keeps itself: only version by version
    does each name say which object is meant."""
    seen: dict[str, str] = {}
    for name, live in sorted(sources.items()):
        other = seen.setdefault(live.name, name)
        if other != name:
            problem = (
                f"is what {other} and {name} are both made from: rename it in one version, and declare another table "
                "of that name in a later one"
            )
            raise MigrationError(f"{schema.name}: table {live.name}", problem)
    for name, (version, label) in sorted(path.dropped.items()):
        there = catalog.get(name)
        if there is None:
            continue
        table = next((each for each in schema.tables if each.name == name and name in sources), None)
        other = next((old for old in _former(table, path) if catalog.get(old) is not None), "") if table else ""
        view = any(item.name == name for item in schema.objects if isinstance(item, MaterializedView))
        keeps = view and isinstance(there.form, ViewForm) and there.form.materialized and not there.form.to
        if other or keeps:
            later = f"{other} gets its name later" if other else "a later version makes it anew, without its rows"
            raise MigrationError(
                f"{schema.name}: {name}",
                f"{label} drops it, and {later}. Bring the database to version {version} first: aaiclick migrate --to "
                f"{version}",
            )


def plain_views(schema: Schema) -> frozenset[str]:
    """The declared plain views. They hold no rows, so one that breaks while its table changes is simply replaced."""
    return frozenset(item.name for item in schema.objects if isinstance(item, View))


def live_source(table: Table, catalog: Catalog, path: UpgradePath | None = None) -> LiveObject | None:
    """The live table of a declaration: by its name, else by the newest former name that is there."""
    return next((live for name in (table.name, *_former(table, path)) if (live := catalog.get(name)) is not None), None)


def _former(table: Table, path: UpgradePath | None) -> list[str]:
    former = path.former_names.get(table.name, ()) if path is not None else ()
    return [*former, *([table.renamed_from] if table.renamed_from is not None else [])]


def _beside(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath) -> list[str]:
    """Notes on tables that were to be renamed while both names are there: another program has created one of them
    again."""
    taken = {item.name for item in schema.objects} | {live.name for live in sources.values()}
    found: dict[str, str] = {}
    for table in schema.tables:
        for old in _former(table, path):
            live = catalog.get(old)
            if table.name in sources and live is not None and old not in taken:
                rows = f"its {live.rows:,} rows are" if live.rows else "what it holds is"
                found[old] = (
                    f"table {old} is there beside {sources[table.name].name}, its new name: nothing is renamed, and "
                    f"{rows} not in {table.name} (left alone)"
                )
    return list(found.values())


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
    known = {table.name: form for table in understood if (form := _known(table, sources[table.name], path)) is not None}
    unknown = [table for table in understood if table.name not in known]
    forms = {**known, **(yield from declared_forms(scratch, unknown, catalog, sources, cache.rehearsed, read))}
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
    if not in_sync and _differs(table, declared, live, path):
        differing.append(Differing(table, declared, live, live.form, data_name))
    elif path.requested:
        found += yield from requested(catalog.database, live, path.requested, path.topology)
    return found


def _known(table: Table, live: LiveObject, path: UpgradePath) -> TableForm | None:
    """The recorded form of a declaration, where the live table equals it. Where it does not, the declaration is created
    in scratch: a record is never a reason to change a table."""
    form = path.recorded_forms.get(table.name)
    if form is None or live.name != table.name or not isinstance(live.form, TableForm) or not repeatable(table, form):
        return None
    return None if _differs(table, form, live, path) else form


def _as_recorded(schema: Schema, sources: Mapping[str, LiveObject], path: UpgradePath) -> dict[str, Form] | None:
    """The forms of all tables that are there, where each is as it was recorded: scratch would be made for nothing then.
    None where one is not, and where something is wanted of tables that are in sync."""
    if path.requested:
        return None
    found: dict[str, Form] = {}
    for table in schema.tables:
        if table.name in sources:
            form = _known(table, sources[table.name], path)
            if form is None:
                return None
            found[table.name] = form
    return found


def _differs(table: Table, declared: TableForm, live: LiveObject, path: UpgradePath) -> bool:
    assert isinstance(live.form, TableForm)
    composed = compose(live.form, path.changes_of(table.name), declared)
    target = make_target(table, declared, live.form, dict(composed.renames))
    return bool(diff_table(live.form, target) or target.undeclared or target.notes or composed.fills)


def _dropped(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath
) -> tuple[Step, ...]:
    """Optional drops of objects that an earlier version of this schema declared and this one does not."""
    declared = {item.name for item in schema.objects} | {live.name for live in sources.values()}
    gone = sorted(name for name in path.once_declared if name not in declared and catalog.get(name) is not None)
    return tuple(steps.drop_step(catalog.database, catalog.objects[name]) for name in gone)
