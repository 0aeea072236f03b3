"""What was recorded in a database."""

from __future__ import annotations

from aaiclick.catalog.read import server_facts
from aaiclick.routine import Routine
from aaiclick.state.record import Record
from aaiclick.state.records import history


def schema_records(schema: str, database: str | None) -> Routine[tuple[Record, ...]]:
    """The transitions of one schema, oldest first."""
    return (yield from history((yield from _database(database)), schema))


def recorded(database: str | None) -> Routine[tuple[str, ...]]:
    """The schemas that were ever applied, by name."""
    records = yield from history((yield from _database(database)))
    return tuple(sorted({record.schema for record in records if record.state != "failed"}))


def _database(database: str | None) -> Routine[str]:
    return database if database is not None else (yield from server_facts()).current_database
