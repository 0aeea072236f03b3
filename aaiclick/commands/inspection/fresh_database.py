"""Recognises a database that holds nothing of a schema yet with one or two small queries, so that its start goes
straight to the lease.

Looking and planning before the lease is for those who find that they have nothing to do, or may not do it. Here every
object has to be created, which any policy but ``check`` allows; what is looked at and planned under the lease is what
counts in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.catalog.read import MOST_NAMES, REPLICATED_DATABASES, version_numbers
from aaiclick.clickhouse.features import require_renames, require_server
from aaiclick.commands.inspection.inspect import names_of_schema
from aaiclick.commands.inspection.warm import Warm
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.schema import Schema
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, View
from aaiclick.sql.hex_text import hexed
from aaiclick.state.owned import read_owned
from aaiclick.versions.history import read_history

_PLAIN = (Table, View, Dictionary)
"""Objects that are created or not. Whatever else there is may be refused by a plan, and is planned before the lease
leaves anything behind."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A database in which nothing of a schema is; ``names`` are those that its objects have or had."""

    database: str
    names: tuple[str, ...]


def untouched(schema: Schema, database: str | None, seen: Warm) -> Routine[Fresh | None]:
    """The database, if none of the schema's objects is there under its present name and no start has left anything.

    None where something is there, or where two small queries cannot tell (the database does not exist or is replicated,
    a cluster is named, there are too many names). Raises ``MigrationError`` as an inspection does, ``UsageError`` where
    the server is too old, or the database is of an engine in which no table can be renamed.
    """
    if (
        seen.present
        or seen.shared
        or seen.entry is not None
        or schema.cluster
        or not schema.objects
        or any(type(item) not in _PLAIN for item in schema.objects)
    ):
        return None
    names = names_of_schema(schema, read_history(schema))
    if len(names) > MOST_NAMES:
        return None
    where = "currentDatabase()" if database is None else "unhex({database:String})"
    bound: dict[str, str | int] = {} if database is None else {"database": hexed(database)}
    rows = yield Query(f"SELECT name, version(), engine FROM system.databases WHERE name = {where}", bound)
    if not rows or text(rows[0][2]) in REPLICATED_DATABASES:
        return None
    found, version = text(rows[0][0]), text(rows[0][1])
    require_server(version_numbers(version), version)
    require_renames(found, text(rows[0][2]))
    # The first query asked for the present names; these are the others.
    former = sorted(set(names) - {item.name for item in schema.objects})
    if former and (yield from read_owned(found, former)).known:
        return None
    return Fresh(found, names)
