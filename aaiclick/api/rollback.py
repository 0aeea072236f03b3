"""``rollback_schema``: the way back to a table that a rebuild kept."""

from __future__ import annotations

from aaiclick.api.drive import drive, drive_async
from aaiclick.api.report import Report
from aaiclick.api.survey import survey
from aaiclick.errors import SchemaError, SpecError
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema


def rollback_schema(client: object, schema: Schema, to: int, database: str | None = None) -> Report:
    """Go back to version ``to``. Needs the old tables that the rebuilds since then have kept (``Policy.lossless(keep_old=...)``);
    ``SchemaError`` where they are not there: nothing is changed then."""
    return drive(client, lambda connection: _rollback(connection, schema, to, database), "rollback_schema")


async def rollback_schema_async(client: object, schema: Schema, to: int, database: str | None = None) -> Report:
    """The async twin of ``rollback_schema``."""
    return await drive_async(client, lambda connection: _rollback(connection, schema, to, database), "rollback_schema_async")


def _rollback(connection: Connection | AsyncConnection, schema: Schema, to: int, database: str | None) -> Routine[Report]:
    found = yield from survey(schema, database)
    if found.record is None:
        raise SchemaError(f"{schema.name} has no version record in {found.catalog.database}: there is nothing to go back from")
    live = found.record.version or 0
    if not 1 <= to < live:
        raise SpecError("to", f"{schema.name} is at v{live}: a version from 1 to {live - 1} is needed, not {to}")
    raise SchemaError(f"{schema.name} is at v{live}, and no table of v{to} was kept: the way back is to restore a backup")
