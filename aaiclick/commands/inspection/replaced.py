"""Checks, when a version is recorded, that the tables whose rows a migration has converted are still there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aaiclick.catalog.forms import Catalog
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.errors import DriftRemainsError
from aaiclick.plan.model import Step
from aaiclick.routine import Routine
from aaiclick.state.progress import conversions, displaced_by, read_entries
from aaiclick.state.record import Record
from aaiclick.state.records import read_latest
from aaiclick.versions.live_version import later_names


def replaced_since(
    found: Inspection, catalog: Catalog, steps: Sequence[Step]
) -> Routine[tuple[tuple[str, ...], dict[str, str]]]:
    """In words, which of them somebody else has replaced; and the storages of all others, by the names of their tables.

    ``found``: before the last steps; ``steps``: all that were carried out. Nothing is asked where no expressions were
    applied on the way.
    """
    pending = found.pending
    filled = {table for script in pending for table in script.migration.rebuilds}
    converted = any(step.migrations or (step.work.kind == "create" and step.object in filled) for step in steps)
    if not converted and not conversions(found.entries, pending, found.progress):
        return (), {}
    # Read again: what this run has converted stands in the journal by now.
    entries = yield from read_entries(found.scope)
    displaced = displaced_by(entries, catalog, pending)
    labels = {script.version: script.label for script in pending}
    words = tuple(
        f"{one.table}: {one.words(labels[int(key.partition(':')[0])])}" for key, one in sorted(displaced.items())
    )
    in_place: dict[str, str] = {}
    for done in conversions(entries, pending).values():
        there = (catalog.get(name) for name in later_names(done.table, pending))
        # Under the newest of its names that is there: a migration behind the copy may have renamed the table.
        live = next((one for one in there if one is not None), None)
        if live is not None and live.uuid in done.storages:
            in_place[live.name] = live.uuid
    return words, in_place


def require_recorded(database: str, record: Record, in_place: Mapping[str, str]) -> Routine[None]:
    """Raise DriftRemainsError where the version was not recorded, because somebody has put another table under one of
    these names in the last moment."""
    latest = yield from read_latest(database, record.schema)
    if latest is None or latest.version != record.version:
        words = f"somebody else has replaced {' or '.join(sorted(in_place))} before the version was recorded. Run again"
        raise DriftRemainsError(record.schema, (words,))
