"""Orders a plan with migration scripts: they run in the order of their versions; what they need comes first, everything
else follows.

    longer TTLs -> what a script needs -> its statements, its function -> the next script -> changes, copies -> drops

A script of version 3 was written for the tables of version 3. So the tables that it names are brought there first,
as far as it can tell the difference: missing columns are added, renames are made, and expressions and types of
earlier versions are applied. Where the declaration has the same columns, a table goes there at once and is not
changed again.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.plan.comparison.recorded import Planned, live_source, plain_views, seen_by_all
from aaiclick.plan.declaration.renamed_views import RenamedViews, rename_views, views_to_rename
from aaiclick.plan.dependents.read import Reader
from aaiclick.plan.model import Step
from aaiclick.plan.planner import plan_objects, plan_ttl_first
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.plan.scripted.statements import catalog_after, plan_script, predicted
from aaiclick.plan.scripted.tables_between import TableAt, script_names_any, tables_at, wanted_before
from aaiclick.plan.scripted.views import named_in_views, plan_script_views
from aaiclick.plan.ttl import ttl_steps
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.sql.tokens import TokenError, Tokens, unquote
from aaiclick.versions.history import ReleaseHistory
from aaiclick.versions.upgrade_path import EVERY, PendingScript, UpgradePath

_Seen = list[frozenset[Reader] | None]
"""What was looked at for plans of single tables."""


def plan_upgrade(
    schema: Schema, catalog: Catalog, path: UpgradePath, found: ReleaseHistory, rehearsed: Rehearsed | None = None
) -> Routine[Planned]:
    """The plan from the live database to the declaration, with the migration scripts between. ``rehearsed``: what this
    run has tried before; it is added to where there are no scripts."""
    if not path.pending_scripts:
        return (yield from plan_ttl_first(schema, catalog, path, rehearsed))
    # Before all scripts: while these run, merges would go on to delete rows by the old TTL.
    freed = yield from ttl_steps(schema, catalog, path)
    planned = yield from _plan_scripts(schema, freed.catalog, path, found)
    return replace(planned, steps=(*freed.steps, *planned.steps))


def _plan_scripts(schema: Schema, catalog: Catalog, path: UpgradePath, found: ReleaseHistory) -> Routine[Planned]:
    """The first script and what it needs, then the rest."""
    first = path.pending_scripts[0]
    renamed = yield from _renamed_views(schema, catalog, path, first)
    catalog = renamed.catalog
    # The catalogue is what the steps so far leave: each next part is planned over that, not over what is there now.
    # Tables first: the script was written for those of its own version.
    readers: _Seen = []
    steps, notes, catalog, path, blocked = yield from _expand(schema, catalog, path, found, first, readers)
    # Views behind the tables that they read, and before the statements that read them.
    shown = yield from plan_script_views(schema, catalog, found, first, path.topology)
    steps, notes, catalog = [*steps, *shown.steps], [*notes, *shown.notes], shown.catalog
    blocked = "; ".join(part for part in (blocked, shown.blocked) if part)
    moved = yield from plan_script(first, catalog, path, blocked)
    # Rows that this script may change are counted when it has run: before that a count would be about other rows.
    rest = replace(
        path,
        pending_scripts=path.pending_scripts[1:],
        changed_later={**_changed_by(first, catalog), **path.changed_later},
    )
    following = catalog_after(catalog, moved.tables)
    planned = yield from (
        _plan_scripts(schema, following, rest, found) if rest.pending_scripts else plan_objects(schema, following, rest)
    )
    listed = tuple(dict.fromkeys((*renamed.notes, *notes, *moved.notes, *planned.notes)))
    ordered = (*renamed.steps, *steps, *moved.steps, *planned.steps)
    return Planned(ordered, listed, planned.forms, planned.targets, seen_by_all(*readers, planned.readers))


def _renamed_views(schema: Schema, catalog: Catalog, path: UpgradePath, first: PendingScript) -> Routine[RenamedViews]:
    """The views that get another name until the version of a script, which knows them by that."""
    renamed = views_to_rename(schema, catalog, path, first.version) if path.object_renames else {}
    if not renamed:
        return RenamedViews((), catalog)
    made = yield from rename_views(renamed, catalog, path.topology, {})
    steps = tuple(replace(step, id=f"{step.id}@{first.version:04d}") for step in made.steps)
    return replace(made, steps=steps)


def _expand(
    schema: Schema, catalog: Catalog, path: UpgradePath, found: ReleaseHistory, first: PendingScript, readers: _Seen
) -> Routine[tuple[list[Step], list[str], Catalog, UpgradePath, str]]:
    """Bring every table that the script names, or a view that is made before it, to the form that they may rely on.
    ``readers`` gets what was looked at for each."""
    steps: list[Step] = []
    notes: list[str] = []
    blocked = ""
    in_views = named_in_views(schema, catalog, found, first)
    listed = tables_at(schema, path, found, first.version)
    # Renames first where the name that a table gives up is that of a new one.
    names_then = {table.spec.name for table in listed}
    for table in sorted(listed, key=lambda table: not _gives_up(table, names_then, catalog, path)):
        changes = path.changes_of(table.declared.name) if table.declared is not None else ()
        # Under each name that the table has had: an early script knows it by an early one.
        names = {table.spec.name, *(change.before for change in changes), *(change.table for change in changes)}
        if not names & in_views and not script_names_any(first, names):
            continue
        wanted = wanted_before(table, catalog, path, first)
        if isinstance(wanted, str):
            blocked = wanted
            continue
        if wanted is None:
            continue
        # ``taken``: changes that this step makes. ``left``: what remains for the plan behind the scripts, or it would
        # be done twice.
        spec, taken, left = wanted
        # A schema of this table alone: everything else is planned after the script.
        sub = Schema(schema.name, objects=[spec])
        former = {spec.name: path.former_names.get(table.declared.name, ()) if table.declared is not None else ()}
        planned = yield from plan_objects(
            sub,
            catalog,
            UpgradePath(
                {spec.name: taken},
                former,
                (),
                frozenset(),
                path.oldest_code,
                replaced_views=plain_views(schema),
                try_on_parts=path.try_on_parts,
                max_read_bytes=path.max_read_bytes,
                topology=path.topology,
                unread=path.unread,
                changed_later=path.changed_later,
                reached=path.reached,
            ),
        )
        readers.append(planned.readers)
        # A table may get steps before several scripts: the version keeps their ids apart.
        required = [replace(step, id=f"{step.id}@{first.version:04d}") for step in planned.steps if not step.optional]
        # What is left alone is said once, by the plan that follows the scripts.
        notes += [note for note in planned.notes if "left alone" not in note]
        steps += required
        if required:
            catalog = yield from _after(catalog, spec, planned, path)
            if table.declared is not None:
                path = replace(path, changes={**path.changes, table.declared.name: left})
    return steps, notes, catalog, path, blocked


def _gives_up(table: TableAt, names: set[str], catalog: Catalog, path: UpgradePath) -> bool:
    """True where the table has a name still that is one of ``names``."""
    changes = path.changes_of(table.declared.name) if table.declared is not None else ()
    former = {change.before for change in changes} - {table.spec.name}
    return catalog.get(table.spec.name) is None and any(catalog.get(name) is not None for name in former & names)


def _after(catalog: Catalog, spec: Table, planned: Planned, path: UpgradePath) -> Routine[Catalog]:
    """The catalogue with the table as it will be."""
    live = live_source(spec, catalog, path)
    form = planned.targets.get(spec.name)
    if form is None:

        def body(scratch: Scratch) -> Routine[dict[str, TableForm]]:
            return (yield from canonical_tables(scratch, [spec]))

        # A table that this plan is yet to make: what the server makes of its declaration is asked in scratch.
        form = (yield from with_scratch(body, fallback=catalog.database))[spec.name]
    objects = {name: entry for name, entry in catalog.objects.items() if live is None or name != live.name}
    objects[spec.name] = predicted(catalog, live, replace(form, name=spec.name))
    return replace(catalog, objects=objects)


def _changed_by(script: PendingScript, catalog: Catalog) -> dict[str, str]:
    """The tables whose rows the script may change: all, for a function, for views, and for what cannot be parsed."""
    try:
        named = {
            unquote(token.text)
            for sql in script.statements
            for token in Tokens(sql).items
            if token.kind in ("word", "name")
        }
    except TokenError:
        return {EVERY: script.label}
    # A statement that writes into one table sets off the views on it, which write into others: then nothing is counted
    # before it.
    read = [live for live in catalog.objects.values() if live.name in named]
    if script.move is not None or any(live.dependents or not isinstance(live.form, TableForm) for live in read):
        return {EVERY: script.label}
    return dict.fromkeys(sorted(named), script.label)
