"""``validate_schema``: how the live database stands to the code. It never raises for a difference: it reports it."""

from __future__ import annotations

from datetime import datetime, timezone

from aaiclick.api.client import check_arguments, drive, drive_async
from aaiclick.commands.inspect import Survey, Surveyed, make_plan, spec_differences, survey
from aaiclick.commands.overtaken import ahead_error, begun
from aaiclick.commands.report import KeptTable, Status
from aaiclick.plan.foreign_objects import changed as changed_of_others
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.backfill_mark import find_feeds
from aaiclick.state.kept_tables import KeptRow, kept_tables
from aaiclick.state.rebuild_mark import find_marks
from aaiclick.versions.conversions import unproven


def validate_schema(client: object, schema: Schema, database: str | None = None) -> Status:
    """Compare, version and object by object. Writes no bookkeeping and leaves nothing behind."""
    check_arguments("validate_schema", schema)
    return drive(client, lambda connection: validate(connection, schema, database), "validate_schema", schema=schema)


async def validate_schema_async(client: object, schema: Schema, database: str | None = None) -> Status:
    """The async twin of ``validate_schema``."""
    check_arguments("validate_schema_async", schema)
    return await drive_async(client, lambda connection: validate(connection, schema, database), "validate_schema_async", schema=schema)


def validate(connection: Connection | AsyncConnection, schema: Schema, database: str | None) -> Routine[Status]:
    """The routine of ``validate_schema``."""
    found = yield from survey(schema, database)
    planned = yield from make_plan(found, looks=0, clones=False)
    state, differences = _judge(planned)
    pending = tuple(f"{step.object}: {step.change} (left alone)" for step in planned.plan.steps if step.optional)
    notes = tuple(dict.fromkeys((*planned.plan.notes, *pending)))
    database = found.catalog.database
    marks = yield from find_marks(database)
    waiting = [mark if isinstance(mark, str) else f"a {mark.work.kind} of {mark.table} was not finished" for mark in marks]
    feeds = yield from find_feeds(database)
    waiting += [mark if isinstance(mark, str) else f"the materialized view {mark.work.view} was not brought to its end" for mark in feeds]
    waiting += _begun(found)
    kept = yield from kept_tables(database)
    return Status(
        schema=schema.name,
        database=found.catalog.database,
        server=found.catalog.server.version_text,
        live_version=found.live.number,
        code_version=schema.version,
        state=state,
        in_sync=state == "in sync",
        differences=differences,
        notes=notes,
        kept_tables=tuple(_kept(row) for row in kept),
        unfinished="; ".join(waiting),
    )


def _begun(found: Survey) -> list[str]:
    """Transitions that are not recorded yet."""
    said = [f"a migration to v{found.under_way.version} ({begun(found.under_way)}) was not brought to its end"] if found.under_way is not None else []
    return said + ([f"the way back to v{found.going_back.to} ({begun(found.going_back)}) was not finished"] if found.going_back is not None else [])


def _kept(row: KeptRow) -> KeptTable:
    expires = datetime.fromtimestamp(row.kept.expires, timezone.utc).isoformat() if row.kept.expires else ""
    return KeptTable(row.name, row.kept.table, row.rows, row.bytes, expires)


def _judge(planned: Surveyed) -> tuple[str, tuple[str, ...]]:
    found = planned.survey
    words = planned.plan.differences([item.name for item in found.schema.objects])
    words += tuple(f"{step.object}: blocked: {step.blocked}" for step in planned.plan.required if step.blocked)
    if found.ahead or found.overtaken:
        problem = ahead_error(found)
        if problem is None:
            return "in sync", ()
        at = f"on its way to v{problem.under_way}" if problem.under_way is not None else f"at v{problem.live}"
        return "ahead", (f"the database is {at}, newer than this code",)
    if found.live.recognition is not None and found.live.number is None:
        unmatched = found.live.recognition.unmatched
        return "unrecognised", tuple(f"{name}: {', '.join(text)}" for name, text in sorted(unmatched.items()))
    doubt = unproven(found.catalog, found.released, found.live)
    if doubt.stops:
        return "unrecognised", tuple(f"nothing tells whether values were converted: {stop}" for stop in doubt.stops)
    foreign = changed_of_others(planned.plan, found.schema, found.owners)
    if foreign:
        return "foreign", (*(f"{name} belongs to {found.owners[name].label}" for name in sorted(foreign)), *words)
    if found.same_version and found.record is not None and found.record.spec != found.schema.fingerprint:
        changed = spec_differences(found, planned.forms)
        if changed:
            return "changed", changed
    if not words:
        return "in sync", ()
    if found.live.origin == "empty":
        return "empty", words
    return ("drift" if found.same_version else "behind"), words
