"""What was recorded in a database."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.read import server_facts
from aaiclick.clickhouse.names import RECORDS, is_ours
from aaiclick.clickhouse.shared.bookkeeping import with_bookkeeping
from aaiclick.commands.inspection.where_recorded import recorded_here
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.state.owned import read_owned_here
from aaiclick.state.record import Record
from aaiclick.state.records import all_records

_TABLES = "SELECT name FROM system.tables WHERE database = unhex({database:String}) ORDER BY name"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a database: ``recorded`` are the schemas that were ever applied, by name, ``tables`` all
    tables but those of this library."""

    recorded: tuple[str, ...]
    tables: tuple[str, ...]


def schema_records(schema: str, database: str | None) -> Routine[tuple[Record, ...]]:
    """The transitions of one schema, oldest first."""
    return (yield from _history(database, schema))


def recorded(database: str | None) -> Routine[tuple[str, ...]]:
    """The schemas that were ever applied, by name."""
    records = yield from _history(database)
    return tuple(sorted({record.schema for record in records if record.state != "failed"}))


def standing(database: str | None) -> Routine[Standing]:
    """Whose the database is."""
    name = yield from _database(database)
    rows = yield Query(_TABLES, {"database": hexed(name)})
    tables = tuple(text(row[0]) for row in rows)
    own = tuple(table for table in tables if not is_ours(table) and table != RECORDS)
    return Standing((yield from recorded(name)), own)


def _database(database: str | None) -> Routine[str]:
    return database if database is not None else (yield from server_facts()).current_database


def _history(database: str | None, schema: str | None = None) -> Routine[tuple[Record, ...]]:
    where = yield from _database(database)
    # Only read: no table is made for it, and no lease is needed.
    books = recorded_here((yield from read_owned_here(where)))
    return (yield from with_bookkeeping(all_records(where, schema), books))
