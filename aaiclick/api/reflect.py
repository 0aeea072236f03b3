"""``reflect_schema``: a live database as a declaration."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.api.client import Make, run_on_client, run_on_client_async
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema


def reflect_schema(
    client: object,
    database: str | None = None,
    name: str | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Schema:
    """Every object of the database as ``Schema(version=1)``; what cannot be declared is in ``schema.unsupported``, with
    the reason.

    ``only``: those alone whose names fit one of these patterns (``"shop_*"``); ``exclude``: not those. Raises
    ``UsageError`` for a pattern that nothing fits.
    """
    return run_on_client(client, _make(database, name, only, exclude), "reflect_schema")


async def reflect_schema_async(
    client: object,
    database: str | None = None,
    name: str | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Schema:
    """The async twin of ``reflect_schema``."""
    return await run_on_client_async(client, _make(database, name, only, exclude), "reflect_schema_async")


def _make(database: str | None, name: str | None, only: Sequence[str], exclude: Sequence[str]) -> Make[Schema]:
    def make(_: Connection | AsyncConnection) -> Routine[Schema]:
        from aaiclick.commands.reflect import reflect  # a start loads no other verb

        return reflect(database, name, only, exclude)

    return make
