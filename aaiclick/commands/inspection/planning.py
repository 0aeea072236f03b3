"""Makes the plan of what was found, and leaves out notes on settings that this library has set itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aaiclick.catalog.forms import Form, TableForm
from aaiclick.catalog.render import has_hidden
from aaiclick.clickhouse.shared.bookkeeping import with_bookkeeping
from aaiclick.clickhouse.topology import clusters_elsewhere
from aaiclick.commands.inspection.digests import live_digest
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.own_settings import SETTINGS, own_settings
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.commands.inspection.unused_keys import unused_keys
from aaiclick.errors import SpecError
from aaiclick.plan.comparison.recorded import Planned
from aaiclick.plan.foreign_objects import without_foreign
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.operations import BackfillWork
from aaiclick.plan.planner import basis_of, plan_ttl_first
from aaiclick.plan.rehearsal.cache import Rehearsed
from aaiclick.plan.scripted.decisions import decided
from aaiclick.plan.steps import UNREADABLE
from aaiclick.plan.unreachable_replicas import SUPPORTED, note_of, unsupported
from aaiclick.relay import placed
from aaiclick.routine import Routine
from aaiclick.specs.engines import Engine
from aaiclick.state.entries.remade_views import kept_forms
from aaiclick.version import VERSION
from aaiclick.versions.conversions import unproven_conversions
from aaiclick.versions.live_version import later_names, scripts_between
from aaiclick.versions.upgrade_path import UpgradePath, upgrade_path

if TYPE_CHECKING:
    from aaiclick.plan.clusters.sizes import HostSizes

_UNDECLARED = re.compile(r"(.+): setting (\w+) = .+ is not declared \(left alone\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """What was found, with the plan that was made of it."""

    inspection: Inspection
    """What was found."""
    plan: Plan
    """What has to be done."""
    forms: Mapping[str, Form]
    """Canonical forms of what is declared, by name, as far as they had to be worked out."""
    rehearsed: Rehearsed = field(default_factory=Rehearsed, compare=False)
    """What was tried for it, for the next plan of the run."""
    targets: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """What tables that differ become, by name."""
    sizes: Mapping[str, HostSizes] = field(default_factory=dict[str, "HostSizes"])
    """Rows of tables on each host of a cluster, by name; empty on one host."""
    readers: frozenset[tuple[str, str, str]] | None = field(default=None, compare=False)
    """What was looked at because it may read or feed tables that change: database, name, UUID; None: nothing was."""


def filled_by_pending(found: Inspection) -> dict[str, list[int]]:
    """The versions still to be reached whose migrations fill a table by expressions, by each of its names."""
    versions: dict[str, list[int]] = {}
    pending = scripts_between(found.schema, found.released, found.live)
    for place, script in enumerate(pending):
        for table in script.migration.rebuilds:
            for name in later_names(table, pending[place:]):
                versions.setdefault(name, []).append(script.version)
    return versions


def make_plan(
    found: Inspection, max_read_bytes: int | None = None, clones: bool = True, before: PlannedMigration | None = None
) -> Routine[PlannedMigration]:
    """Plan from what was found.

    ``max_read_bytes``: how many bytes of live columns may be read for each table to see what would become of them
    (None: any number, 0: none). ``clones``: statements are also tried on clones that hold parts of the live tables.
    ``before``: an earlier plan of this run, whose rehearsals are used again for the same definitions.
    """
    # What a killed run dropped and did not live to make again is planned as it was, with what nobody declares of it.
    if kept := found.kept_views:
        found = replace(found, catalog=replace(found.catalog, gone=kept_forms(kept)))
    catalog = found.catalog
    work = with_bookkeeping(_planned(found, max_read_bytes, clones, before), found.where.books)
    try:
        return (yield from placed(work, catalog.database, catalog.server.current_database))
    except SpecError as error:
        from aaiclick.plan.declaration.unparsable import with_place  # where something is wrong

        told = yield from with_place(error, found.schema)
        if told is error:
            raise
        raise told from error


def _planned(
    found: Inspection, max_read_bytes: int | None, clones: bool, before: PlannedMigration | None
) -> Routine[PlannedMigration]:
    sizes: Mapping[str, HostSizes] = {}
    lacks: Mapping[str, str] = {}
    if found.topology.reached:
        from aaiclick.commands.inspection.shard_rows import host_sizes, unread, with_all_rows

        sizes = yield from host_sizes(found.catalog.database, found.topology)
        found = replace(found, catalog=with_all_rows(found.catalog, sizes, found.topology))
        # A count through a host that has not fetched everything would be about fewer rows than there are.
        lacks = yield from unread(sizes, found.topology)
    schema, catalog = found.schema, found.catalog
    path = _path_of(found, max_read_bytes, clones, lacks)
    # What was tried on another server, or on another release of it, counts for nothing here.
    rehearsed = (before.rehearsed if before is not None else Rehearsed()).of(catalog.server)
    rehearsed.server = catalog.server
    rehearsed.permissive = rehearsed.permissive if rehearsed.permissive is not None else catalog.permissive
    planned: Planned
    if path.pending_scripts:
        from aaiclick.plan.scripted.order import plan_upgrade

        planned = yield from plan_upgrade(schema, catalog, path, found.released, rehearsed)
    else:
        planned = yield from plan_ttl_first(schema, catalog, path, rehearsed)
    if any(isinstance(step.work, BackfillWork) for step in planned.steps):
        from aaiclick.plan.backfill.filled_late import with_late_fills

        late = with_late_fills(planned.steps, found.released.lock, catalog, path, schema.version)
        planned = replace(planned, steps=late)
    # A definition that this release cannot read was read by nobody who could have changed it: where it is what was
    # recorded, it is as declared.
    if any(step.id.endswith(UNREADABLE) for step in planned.steps):
        planned = yield from _as_recorded(found, planned)
    doubt = unproven_conversions(catalog, found.released, found.live, found.progress)
    ordered = yield from _in_order(found, planned, sizes)
    plan = Plan(
        schema=schema.name,
        database=catalog.database,
        from_version=found.live.number,
        to_version=schema.version,
        steps=tuple(ordered),
        basis=basis_of(catalog),
        fingerprint=schema.fingerprint,
        notes=(
            *_without_done(found, ordered, _without_ours(found, planned.notes)),
            *doubt.notes,
            *_said(found, doubt.stops),
        ),
        library=VERSION,
    )
    if found.allowed:
        plan = replace(plan, notes=(*plan.notes, *(yield from unused_keys(found, plan.steps))))
    # After the notes, which it goes through as well.
    plan = without_foreign(plan, schema, {name: owner.label for name, owner in found.owners.items()})
    return PlannedMigration(found, plan, planned.forms, rehearsed, planned.targets, sizes, planned.readers)


def _path_of(found: Inspection, max_read_bytes: int | None, clones: bool, lacks: Mapping[str, str]) -> UpgradePath:
    """The way from the database to the code. ``lacks``: tables of which some host did not answer."""
    schema = found.schema
    path = upgrade_path(schema, found.released, found.live, found.record.forms if found.record else "", found.progress)
    return replace(
        path,
        recorded_forms=_written_down(found),
        once_declared=path.once_declared | found.undeclared,
        max_read_bytes=max_read_bytes,
        try_on_parts=clones,
        requested=found.allowed,
        # A Replicated database with several shards of an older server is refused with a reason of its own.
        on_replicas=found.topology.kind in SUPPORTED,
        topology=found.topology,
        unread=lacks,
        stopped_views=found.stopped_views,
        same_version=found.same_version,
    )


def _in_order(found: Inspection, planned: Planned, sizes: Mapping[str, HostSizes]) -> Routine[tuple[Step, ...]]:
    """The steps as the migrations decide them, and as the hosts of a cluster need them."""
    schema, catalog = found.schema, found.catalog
    # First of all: a drop that a migration allows is required, and is then put in its place among the others.
    ordered = decided(planned.steps, [script.migration for script in found.pending])
    if any(step.strategy == "drop" for step in ordered):
        from aaiclick.plan.declaration.undeclared_drops import held_back

        ordered = yield from held_back(ordered, catalog, planned.targets, found.allowed)
    before_others = _stand_before_others(found)
    elsewhere: Collection[str] = ()
    if before_others:
        from aaiclick.plan.clusters.distributed import clusters_named

        others = clusters_named(schema, catalog) - {found.topology.cluster}
        elsewhere = yield from clusters_elsewhere(others, found.topology.cluster)
    if not found.topology.single:
        from aaiclick.plan.clusters.distributed import in_step

        ordered = in_step(ordered, catalog, planned.targets, found.topology, elsewhere)
    if before_others:
        from aaiclick.plan.clusters.paired_drops import columns_apart, drops_in_step

        # Behind in_step: a drop goes right in front of the one of its local table, wherever that is by now.
        ordered = drops_in_step(ordered, catalog, planned.targets, found.allowed, elsewhere)
        ordered = (*columns_apart(schema, catalog, elsewhere), *ordered)
    if not found.topology.single:
        from aaiclick.plan.clusters.placed import on_topology

        # After everything that reads the steps: it writes the cluster into the text of their statements.
        ordered = on_topology(ordered, schema, found.topology, sizes, catalog.server.version)
        if any(isinstance(step.work, BackfillWork) for step in ordered):
            from aaiclick.plan.clusters.fill_windows import with_windows

            ordered = yield from with_windows(ordered, schema, catalog.database, found.topology)
    return tuple(ordered)


def _said(found: Inspection, stops: Sequence[str]) -> tuple[str, ...]:
    """Notes on what was found. ``stops``: why a start asks for ``aaiclick adopt`` first."""
    said = tuple(
        f"nothing tells whether values were converted, and a start asks for aaiclick adopt: {words}" for words in stops
    )
    many = (note_of(words),) if (words := unsupported(found.catalog, found.allowed, found.topology)) else ()
    if not many and not found.topology.single:
        from aaiclick.plan.clusters.placed import placed_words

        many = (placed_words(found.topology),)
    again = tuple(
        f"{view} was stopped (SYSTEM STOP VIEW) before a run that was killed made it anew: the next run stops it again"
        for view in sorted(found.stopped_views)
    )
    return (*said, *again, *many)


def _stand_before_others(found: Inspection) -> bool:
    """Whether a table is there, or declared, that stands before tables of the hosts of a cluster."""
    live = (each.form for each in found.catalog.objects.values())
    if any(isinstance(form, TableForm) and form.engine == "Distributed" for form in live):
        return True
    return any(isinstance(table.engine, Engine) and table.engine.name == "Distributed" for table in found.schema.tables)


def _without_done(found: Inspection, steps: Sequence[Step], notes: Sequence[str]) -> tuple[str, ...]:
    """The notes without those on what is dropped: a migration, or whoever asks, allows it by name."""
    gone: set[str] = set()
    for step in steps:
        keys = {hazard.allow for hazard in step.hazards if hazard.allow}
        if not step.optional or (keys and keys <= found.allowed):
            gone |= {f"{step.object}: {words} (left alone)" for words in step.changes or (step.change,)}
    return tuple(note for note in notes if note not in gone)


def _as_recorded(found: Inspection, planned: Planned) -> Routine[Planned]:
    """What cannot be read is left alone as long as every definition is, letter by letter, what was recorded for this
    very declaration."""
    record = found.record
    if (
        record is None
        or not found.same_version
        or record.spec != found.schema.fingerprint
        or record.objects != (yield from live_digest(found.schema, found.catalog))
    ):
        return planned
    notes = tuple(
        f"{step.object} was left alone, as it was recorded: {step.change}"
        for step in planned.steps
        if step.id.endswith(UNREADABLE)
    )
    return replace(
        planned,
        steps=tuple(step for step in planned.steps if not step.id.endswith(UNREADABLE)),
        notes=(*planned.notes, *notes),
    )


def _without_ours(seen: Inspection, notes: tuple[str, ...]) -> tuple[str, ...]:
    """The notes without those on settings that stay on a table only as long as its older one is kept, or as a rebuild
    of it is unfinished."""
    said = {
        note: found for note in notes if (found := _UNDECLARED.fullmatch(note)) is not None and found[2] in SETTINGS
    }
    if not said:
        return notes
    held = own_settings(seen.owned, seen.recorded.block_numbers, seen.catalog)
    ours = {note for note, found in said.items() if found[2] in held.get(found[1], ())}
    return tuple(note for note in notes if note not in ours)


def _written_down(found: Inspection) -> dict[str, TableForm]:
    """The canonical forms in the record, where they are of the very same declaration, and were made by this release on
    this server."""
    record, server = found.record, found.catalog.server.version_text
    if (
        record is None
        # Its forms are those of the code that was rolled back to, which may have had other ways to write them.
        or record.state == "rolled back"
        or (record.spec, record.server, record.library) != (found.schema.fingerprint, server, VERSION)
    ):
        return {}
    return {
        name: form
        for name, form in load_forms(record.forms).items()
        if isinstance(form, TableForm) and not has_hidden(form)
    }
