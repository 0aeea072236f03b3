"""``reflect_schema``: a live database as a declaration."""

from __future__ import annotations

from aaiclick.api.client import drive, drive_async
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema


def reflect_schema(client: object, database: str | None = None, name: str | None = None) -> Schema:
    """Every object of the database as ``Schema(version=1)``; what cannot be declared is in ``schema.unsupported``, with the reason."""
    return drive(client, lambda connection: _reflect(connection, database, name), "reflect_schema")


async def reflect_schema_async(client: object, database: str | None = None, name: str | None = None) -> Schema:
    """The async twin of ``reflect_schema``."""
    return await drive_async(client, lambda connection: _reflect(connection, database, name), "reflect_schema_async")


def _reflect(connection: Connection | AsyncConnection, database: str | None, name: str | None) -> Routine[Schema]:
    catalog = yield from read_catalog(database)
    return reflect_catalog(catalog, name or catalog.database)
