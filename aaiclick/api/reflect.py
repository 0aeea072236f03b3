"""``reflect_schema``: a live database as a declaration."""

from __future__ import annotations

from aaiclick.api.client import run_on_client, run_on_client_async
from aaiclick.commands.reflect import reflect
from aaiclick.specs.schema import Schema


def reflect_schema(client: object, database: str | None = None, name: str | None = None) -> Schema:
    """Every object of the database as ``Schema(version=1)``; what cannot be declared is in ``schema.unsupported``, with
    the reason."""
    return run_on_client(client, lambda _: reflect(database, name), "reflect_schema")


async def reflect_schema_async(client: object, database: str | None = None, name: str | None = None) -> Schema:
    """The async twin of ``reflect_schema``."""
    return await run_on_client_async(client, lambda _: reflect(database, name), "reflect_schema_async")
