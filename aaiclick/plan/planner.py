"""The plan of a whole schema: creates what is missing, changes what differs, reports what nobody declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import Catalog, Form, LiveObject, ViewForm
from aaiclick.errors import MigrationError
from aaiclick.plan.comparison.recorded import Planned, declared_views, earlier_names, given_up, known_form, live_sources
from aaiclick.plan.declaration.names import require_names
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, AttachWork
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.plan.server_objects.planned import PlannedServerObjects, plan_server_objects
from aaiclick.printable import rows_that
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.sql.function_calls import lookups
from aaiclick.versions.upgrade_path import UpgradePath

if TYPE_CHECKING:
    from aaiclick.plan.declaration.renamed_views import RenamedViews


def basis_of(catalog: Catalog) -> str:
    """A digest of the live definitions for which a plan is made."""
    return text_digest({name: live.text for name, live in catalog.objects.items()})


def plan_ttl_first(
    schema: Schema, catalog: Catalog, path: UpgradePath, rehearsed: Rehearsed | None = None
) -> Routine[Planned]:
    """``plan_objects``, but a TTL that is removed or gets longer does not wait for copies or mutations.

    A rebuild needs no such step: TTL merges of its table are stopped before its first statement, and until the
    exchange.
    """
    planned = yield from plan_objects(schema, catalog, path, rehearsed)
    costly = [
        place
        for place, step in enumerate(planned.steps)
        if step.strategy in ("rebuild", "attach", "mutate") and not step.optional
    ]
    # Behind a copy or a mutation such a step could wait for hours, while merges delete rows by the old TTL.
    late = {
        step.object
        for place, step in enumerate(planned.steps)
        if isinstance(step.work, AlterWork | AttachWork) and not step.optional and costly and costly[0] <= place
    }
    if not late:
        return planned
    from aaiclick.plan.ttl import ttl_steps

    freed = yield from ttl_steps(schema, catalog, path, late)
    if not freed.steps:
        return planned
    # Planned again from what the first steps leave: the TTL is no difference any more.
    rest = yield from plan_objects(schema, freed.catalog, path, rehearsed)
    return replace(rest, steps=(*freed.steps, *rest.steps))


def plan_objects(
    schema: Schema, catalog: Catalog, path: UpgradePath, rehearsed: Rehearsed | None = None
) -> Routine[Planned]:
    """All steps between the live database and the declaration. Scratch is opened only where a declared object is there
    already. ``rehearsed``: what this run has tried before; it is added to."""
    if any(isinstance(item, MaterializedView) for item in schema.objects):
        from aaiclick.plan.backfill.view_steps import require_aggregates

        require_aggregates(schema)
    if path.object_renames or path.once_declared:
        renamed = yield from _renamed_views(schema, catalog, path)
        if renamed is not None:
            rest = replace(path, object_renames=(), took_places=renamed.taken)
            planned = yield from plan_objects(schema, renamed.catalog, rest, rehearsed)
            notes = tuple(dict.fromkeys((*renamed.notes, *planned.notes)))
            return replace(planned, steps=_behind_renames(renamed, planned.steps), notes=notes)
    # Before tables: their definitions may call a function or read a named collection that this plan makes or changes.
    first = yield from plan_server_objects(schema, catalog, path)
    # The recorded forms hold the former bodies of the functions.
    path = replace(path, recorded_forms={}) if first.changed else path
    # So does what was tried before, where somebody replaces a function between two looks.
    rehearsed = rehearsed if rehearsed is not None else Rehearsed()
    tried = Rehearsed(permissive=rehearsed.permissive) if schema.functions else rehearsed
    forms_of: dict[str, Form] = dict(first.forms)
    sources = live_sources(schema.tables, catalog, path)
    yield from _require(schema, catalog, sources, path, first.steps)
    # A table under a former name is not missing: to create an empty one beside it would leave its rows behind.
    missing = [table for table in schema.tables if table.name not in sources]
    others = declared_views(schema)
    families = any(isinstance(item, TableFamily) for item in schema.objects)
    dropped = (*_dropped(schema, catalog, sources, path), *first.dropped)
    present = [item for item in others if catalog.get(item.name) is not None]
    # No INSERT meets these views, so they may break for a moment while their tables change.
    if others:
        from aaiclick.plan.dependents.dropped_first import passive_views

        path = replace(path, replaced_views=path.replaced_views | passive_views(others, catalog))
    plain = [item for item in others if not isinstance(item, MaterializedView)]
    # The engine says whether a materialized view can be made, and whether its types are right.
    # Nothing is there that could differ from its declaration.
    alone = not sources and not present and not families and len(plain) == len(others)
    created = (yield from _created(missing, catalog, path)) if missing else ()
    if alone:
        # Nothing is there that could differ, so nothing has to be made in scratch to be compared.
        shown = (yield from _shown(plain, schema, catalog, forms_of)) if plain else ()
        yield from _require_creatable(missing, plain, catalog, first, path, tried)
        listed = _in_turn((*first.steps, *created, *shown, *dropped), schema, catalog)
        return Planned(listed, first.notes, forms_of)
    if not others and not families and (as_recorded := _as_recorded(schema, sources, path)) is not None:
        yield from _require_creatable(missing, (), catalog, first, path, tried)
        beside = (*first.notes, *_beside(schema, catalog, sources, path))
        listed = _in_turn((*first.steps, *created, *dropped), schema, catalog)
        return Planned(listed, beside, {**as_recorded, **forms_of})

    # Here because it is half of the planner: where nothing differs, most of a start would go into loading it.
    from aaiclick.plan.comparison.in_scratch import ToCompare, plan_in_scratch

    compared = ToCompare(schema, catalog, path, first, created, dropped, sources, present, tried, missing)
    return (yield from plan_in_scratch(compared, _beside(schema, catalog, sources, path)))


def _renamed_views(schema: Schema, catalog: Catalog, path: UpgradePath) -> Routine[RenamedViews | None]:
    """The views that get another name, or take the place of one that is declared no longer; None for none."""
    if len(path.object_renames) > 1:  # in one version they cannot swap
        from aaiclick.plan.declaration.renames import require_no_swap

        require_no_swap(schema, catalog, path)
    views = (item.name for item in schema.objects if isinstance(item, View | MaterializedView | Dictionary))
    said = {new for _, renames in path.object_renames for new in renames.values()}
    named = path.once_declared.union(*(renames for _, renames in path.object_renames))
    there = (live for name in named if (live := catalog.get(name)) is not None)
    if said.isdisjoint(views) and not any(isinstance(live.form, ViewForm) for live in there):
        return None
    from aaiclick.plan.declaration.renamed_views import rename_views, views_replaced, views_to_rename

    renamed = views_to_rename(schema, catalog, path)
    said = {*renamed, *renamed.values()}
    moved = given_up(live_sources(schema.tables, catalog, path))
    gone = replace(path, once_declared=path.once_declared - said)
    replaced = {new: olds for new, olds in views_replaced(schema, catalog, gone, moved).items() if new not in said}
    if not renamed and not replaced:
        return None
    return (yield from rename_views(renamed, catalog, path.topology, replaced))


def _behind_renames(renamed: RenamedViews, steps: Sequence[Step]) -> tuple[Step, ...]:
    if not renamed.taken:
        return (*renamed.steps, *steps)
    from aaiclick.plan.backfill.filled_again import with_their_fills

    return with_their_fills(renamed.steps, steps, renamed.taken)


def _require(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath, first: Sequence[Step]
) -> Routine[None]:
    """Raise where names, or paths in Keeper, do not say what is meant, or cannot be: before anything is planned."""
    _check_sources(schema, catalog, sources, path)
    hinted = (bool(table.renamed_from or any(one.renamed_from for one in table.columns)) for table in schema.tables)
    told = (change.renames or change.before != change.table for each in path.changes.values() for change in each)
    if any(hinted) or any(told):
        from aaiclick.plan.declaration.renames import require_free_names

        require_free_names(schema, catalog, sources, path)
    if path.possible_column_renames or path.possible_table_renames:
        from aaiclick.plan.declaration.renames import require_renames_stated

        require_renames_stated(schema, catalog, sources, path)
    require_names(schema, catalog, sources, [step.object for step in first if step.strategy == "create"])
    if not path.topology.single:
        from aaiclick.plan.declaration.replica_paths import require_paths

        yield from require_paths(schema, catalog, sources, path.topology)


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
        other = next((old for old in earlier_names(table, path) if catalog.get(old) is not None), "") if table else ""
        view = any(item.name == name for item in schema.objects if isinstance(item, MaterializedView))
        keeps = view and isinstance(there.form, ViewForm) and there.form.materialized and not there.form.to
        if other or keeps:
            later = f"{other} gets its name later" if other else "a later version makes it anew, without its rows"
            raise MigrationError(
                f"{schema.name}: {name}",
                f"{label} drops it, and {later}. Bring the database to version {version} first: aaiclick migrate --to "
                f"{version}",
            )


def _shown(
    missing: Sequence[View | Dictionary], schema: Schema, catalog: Catalog, forms: dict[str, Form]
) -> Routine[tuple[Step, ...]]:
    from aaiclick.plan.declaration.dictionaries import require_attributes
    from aaiclick.plan.views import create_order

    for item in missing:
        if isinstance(item, Dictionary):
            yield from require_attributes(item, schema, catalog, forms)
    return tuple(create_order(missing, catalog))


def _created(missing: Sequence[Table], catalog: Catalog, path: UpgradePath) -> Routine[tuple[Step, ...]]:
    from aaiclick.plan.creates import create_tables

    created = yield from create_tables(missing, catalog)
    if all(len(path.changes_of(table.name)) < 2 for table in missing):
        return created
    from aaiclick.versions.jumps.compose import reached_when_made

    return tuple(replace(step, reaches=reached_when_made(path.changes_of(step.object))) for step in created)


def _in_turn(listed: tuple[Step, ...], schema: Schema, catalog: Catalog) -> tuple[Step, ...]:
    """The steps, with a table behind the dictionaries, Join and Set tables that its expressions ask."""
    if not any(lookups(sql) for step in listed if step.strategy == "create" for sql in step.sql):
        return listed
    from aaiclick.plan.declaration.new_lookups import behind_lookups

    return behind_lookups(listed, schema.objects, catalog)


def _require_creatable(
    missing: Sequence[Table],
    others: Sequence[View | Dictionary],
    catalog: Catalog,
    first: PlannedServerObjects,
    path: UpgradePath,
    tried: Rehearsed,
) -> Routine[None]:
    # A script that is pending creates first what the definitions name.
    if path.changed_later or not (missing or others):
        return
    from aaiclick.plan.declaration.creatable import require_creatable

    yield from require_creatable(missing, others, catalog, first.changed, tried)


def _beside(schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath) -> list[str]:
    """Notes on tables that were to be renamed while both names are there: another program has created one of them
    again."""
    taken = {item.name for item in schema.objects} | {live.name for live in sources.values()}
    found: dict[str, str] = {}
    for table in schema.tables:
        for old in earlier_names(table, path):
            live = catalog.get(old)
            if table.name in sources and live is not None and old not in taken:
                rows = f"its {rows_that(live.rows, 'are')}" if live.rows else "what it holds is"
                found[old] = (
                    f"table {old} is there beside {sources[table.name].name}, its new name: nothing is renamed, and "
                    f"{rows} not in {table.name} (left alone)"
                )
    return [*found.values(), *_written_twice(schema, catalog, sources, path)]


def _written_twice(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath
) -> Sequence[str]:
    gone = path.once_declared - {item.name for item in schema.objects}
    if not any((live := catalog.get(name)) is not None and isinstance(live.form, ViewForm) for name in gone):
        return ()
    from aaiclick.plan.declaration.renamed_views import written_twice

    return written_twice(schema, catalog, path, given_up(sources))


def _as_recorded(schema: Schema, sources: Mapping[str, LiveObject], path: UpgradePath) -> dict[str, Form] | None:
    """The forms of all tables that are there, where each is as it was recorded: scratch would be made for nothing then.
    None where one is not, and where something is wanted of tables that are in sync."""
    if path.requested:
        return None
    found: dict[str, Form] = {}
    for table in schema.tables:
        if table.name in sources:
            form = known_form(table, sources[table.name], path)
            if form is None:
                return None
            found[table.name] = form
    return found


def _dropped(
    schema: Schema, catalog: Catalog, sources: Mapping[str, LiveObject], path: UpgradePath
) -> tuple[Step, ...]:
    """Optional drops of objects that an earlier version of this schema declared and this one does not."""
    declared = {item.name for item in schema.objects} | {live.name for live in sources.values()}
    gone = [name for name in path.once_declared if name not in declared and catalog.get(name) is not None]
    if not gone:
        return ()
    from aaiclick.plan.declaration.undeclared_drops import undeclared_drops

    return undeclared_drops(gone, catalog)
