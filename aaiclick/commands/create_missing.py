"""Databases of a server."""

from __future__ import annotations

from aaiclick.catalog.from_sql.declarations import read_sql
from aaiclick.clickhouse.statements import ask
from aaiclick.routine import Command, Routine, number
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.databases import Database, create_database_sql
from aaiclick.sql.cluster import on_cluster
from aaiclick.sql.hex_text import hexed


def create_missing(name: str, cluster: str = "", schema: Schema | None = None) -> Routine[bool]:
    """Make a database where it is missing, as the schema declares it, else with the server's own engine; whether it
    was. ``cluster``: on all its hosts. Raises ``StatementError``, and ``SpecError`` where the declaration is wrong."""
    rows = yield from ask(
        "SELECT count() FROM system.databases WHERE name = unhex({name:String})", {"name": hexed(name)}
    )
    if number(rows[0][0]) and not cluster:
        return False
    # IF NOT EXISTS, because another process may make it at this moment.
    sql = create_database_sql((yield from _declared(schema, cluster)), name, if_not_exists=True)
    yield Command(on_cluster(sql, cluster) if cluster else sql)
    return not number(rows[0][0])


def _declared(schema: Schema | None, cluster: str) -> Routine[Database | None]:
    if schema is None or not schema.declares_database:
        return None
    # Only this: nothing else is looked at before there is a database.
    outside = schema.model_copy(update={"objects": list(schema.server_objects)})
    read = yield from read_sql(outside)
    if schema.replicate == "where-possible" and not cluster:
        read = read.with_local_engines()
    return next((item for item in read.objects if isinstance(item, Database)), None)
