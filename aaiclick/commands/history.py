"""What was recorded in a database."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.read import read_catalog, server_facts
from aaiclick.clickhouse.names import RECORDS, is_ours
from aaiclick.clickhouse.shared.bookkeeping import with_bookkeeping
from aaiclick.clickhouse.topology import read_topology
from aaiclick.commands.inspection.where_recorded import recorded_here, shared_already, where_recorded
from aaiclick.errors import UsageError
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.state.owned import Owned, read_owned_here
from aaiclick.state.record import Record
from aaiclick.state.records import all_records

_TABLES = "SELECT name FROM system.tables WHERE database = unhex({database:String}) ORDER BY name"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a database: ``recorded`` are the schemas that were ever applied, by name, ``tables`` all
    tables but those of this library."""

    recorded: tuple[str, ...]
    tables: tuple[str, ...]


def schema_records(schema: str, database: str | None, cluster: str = "") -> Routine[tuple[Record, ...]]:
    """The transitions of one schema, oldest first. ``cluster``: the one that holds the database, where neither it nor
    its tables tell.

    Raises ``UsageError`` where this host lacks the records that others share: it says nothing of the schema.
    """
    where = yield from _database(database)
    owned = yield from read_owned_here(where)
    found = yield from _read(owned, schema)
    if not found and not shared_already(owned):
        topology = yield from read_topology((yield from read_catalog(where, ())), cluster)
        recorded_at = yield from where_recorded(owned, topology)
        if not recorded_at.readable:
            raise UsageError(f"{recorded_at.unopened}. Or ask through one of those hosts")
    return found


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


def _history(database: str | None) -> Routine[tuple[Record, ...]]:
    where = yield from _database(database)
    return (yield from _read((yield from read_owned_here(where)), None))


def _read(owned: Owned, schema: str | None) -> Routine[tuple[Record, ...]]:
    # Only read: no table is made for it, and no lease is needed.
    return (yield from with_bookkeeping(all_records(owned.database, schema), recorded_here(owned)))
