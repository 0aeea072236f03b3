"""What was applied to a database, when, by whom and how long it took."""

from __future__ import annotations

from aaiclick.api.client import drive, drive_async
from aaiclick.catalog.read import server_facts
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.records import Record, history


def schema_history(client: object, schema: Schema, database: str | None = None) -> tuple[Record, ...]:
    """Every transition of the schema, oldest first; none where nothing was recorded. Changes nothing."""
    return drive(client, lambda connection: _history(connection, schema, database), "schema_history", schema=schema)


async def schema_history_async(client: object, schema: Schema, database: str | None = None) -> tuple[Record, ...]:
    """The async twin of ``schema_history``."""
    return await drive_async(client, lambda connection: _history(connection, schema, database), "schema_history_async", schema=schema)


def _history(connection: Connection | AsyncConnection, schema: Schema, database: str | None) -> Routine[tuple[Record, ...]]:
    where = database if database is not None else (yield from server_facts()).current_database
    return (yield from history(where, schema.name))


def recorded_schemas(client: object, database: str | None = None) -> tuple[str, ...]:
    """The names of all schemas that were ever applied to the database, sorted. Changes nothing."""

    def asked() -> Routine[tuple[str, ...]]:
        where = database if database is not None else (yield from server_facts()).current_database
        return tuple(sorted({record.schema for record in (yield from history(where)) if record.state != "failed"}))

    return drive(client, lambda _: asked(), "recorded_schemas")
