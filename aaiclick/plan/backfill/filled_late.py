"""A view with ``backfill=True`` that a version on the way adds, and a later version that takes rows or values of its
source away.

Version by version the view is filled in between. In one jump it is filled last, over what is left of the source: what
aggregates are to outlive is not in them then. So that is asked for by name, with the version to go to first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, ColumnForm, TableForm, ViewForm
from aaiclick.catalog.normalize import normal_form
from aaiclick.diff.changes.ttl import keeps_all
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, Fill
from aaiclick.sql.column_names import mentioned
from aaiclick.versions.jumps.earlier_defaults import last_name
from aaiclick.versions.lockfile import Lock, LockedForm, LockedVersion
from aaiclick.versions.upgrade_path import UpgradePath
from aaiclick.versions.version_changes import VersionChange


def with_late_fills(
    steps: Sequence[Step], lock: Lock | None, catalog: Catalog, path: UpgradePath, version: int | None
) -> tuple[Step, ...]:
    """The steps, where a fill comes behind what a later version than the view's takes away. ``catalog``: what is there
    before the first of them; ``version``: the declared one."""
    newest = lock.get(version) if lock is not None and version is not None else None
    if lock is None or newest is None:
        return tuple(steps)
    return tuple(_asked(step, steps, lock, catalog, path, newest.forms) for step in steps)


def _asked(
    step: Step,
    steps: Sequence[Step],
    lock: Lock,
    catalog: Catalog,
    path: UpgradePath,
    declared: Mapping[str, LockedForm],
) -> Step:
    fill = step.work.fill if isinstance(step.work, BackfillWork) else None
    # One that is there already got its rows when it was made.
    if fill is None or catalog.get(step.object) is not None:
        return step
    changes = path.changes_of(fill.source)
    names = {fill.source, *(change.before for change in changes)}
    if not any(live is not None and live.rows for live in map(catalog.get, names)):
        return step
    released = _added(declared.get(step.object), lock, changes)
    if released is None:
        return step
    version = released.version
    later = [change for change in changes if change.version > version]
    table = released.forms.get(later[0].before) if later else None
    gone = _taken_away(table, later, declared, fill, steps) if isinstance(table, TableForm) else []
    if not gone:
        return step
    into = fill.target or f"the table that {step.object} owns"
    hazard = Hazard(
        "changes-values",
        f"{into} is filled from {fill.source} behind {', '.join(dict.fromkeys(gone))}: what goes there is not in it. "
        f"To have it in, bring the database to version {version} first: aaiclick migrate --to {version}",
        f"fill-from-the-rest {fill.target or step.object}",
    )
    return replace(step, hazards=(*step.hazards, hazard))


def _added(wanted: LockedForm | None, lock: Lock, changes: Sequence[VersionChange]) -> LockedVersion | None:
    """The first version on the way that has the view as it is declared; None where that is the last one. Another query
    is another view: it has nothing that could be lost."""
    if not isinstance(wanted, ViewForm) or len(changes) < 2:
        return None
    versions = [each for each in lock.versions if changes[0].version <= each.version < changes[-1].version]
    for released in sorted(versions, key=lambda each: each.version):
        form = released.forms.get(wanted.name)
        if isinstance(form, ViewForm) and _same(form, wanted):
            return released
    return None


def _same(one: ViewForm, other: ViewForm) -> bool:
    before, after = normal_form(one), normal_form(other)
    assert isinstance(before, ViewForm)
    assert isinstance(after, ViewForm)
    return (before.query, before.to) == (after.query, after.to)


def _taken_away(
    table: TableForm,
    later: Sequence[VersionChange],
    declared: Mapping[str, LockedForm],
    fill: Fill,
    steps: Sequence[Step],
) -> list[str]:
    """What the versions behind the view's own do to rows and values that it reads. ``table``: as that one has it."""
    said = " ".join((*(text for _, text in fill.columns), *fill.keys, fill.where, fill.before, fill.behind))
    read = mentioned(said, [column.name for column in table.columns])
    asked = {hazard.allow for step in steps for hazard in step.hazards}
    found: list[str] = []
    for place, change in enumerate(later):
        rebuild = change.rebuild
        if change.gone:
            found.append(f"{change.label}, which drops it")
        elif rebuild is not None and rebuild.where:
            found.append(f"{change.label}, which filters its rows")
        elif rebuild is not None and (filled := read & {*rebuild.columns}):
            found.append(f"{change.label}, which fills {', '.join(sorted(filled))}")
        form = change.form if change is not later[-1] else declared.get(fill.source)
        if not isinstance(form, TableForm):
            continue
        if not keeps_all(table.ttl, form.ttl):
            found.append(f"the TTL of version {change.version}")
        if merging_engine(form) not in (merging_engine(table), "MergeTree"):
            found.append(f"merges of the {merging_engine(form)} of version {change.version}")
        for name in sorted(read):
            old = table.column(name)
            new = form.column(last_name(name, later[: place + 1]))
            if old is not None and _goes(old, new, fill.source, asked):
                found.append(f"what version {change.version} makes of {name}")
    return found


def _goes(old: ColumnForm, new: ColumnForm | None, table: str, asked: set[str]) -> bool:
    """True where a column keeps not all of its values."""
    if new is None or (old.stored and not new.stored) or not keeps_all(old.ttl, new.ttl):
        return True
    return old.type != new.type and not asked.isdisjoint(
        {f"retype {table}.{new.name}", f"relabel-enum {table}.{new.name}"}
    )
