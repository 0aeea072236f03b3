"""``validate_schema``: compares the live database with the code. A difference is reported, never raised."""

from __future__ import annotations

from aaiclick.api.client import Make, check_arguments, placed, run_on_client, run_on_client_async
from aaiclick.commands.report import Status
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema


def validate_schema(client: object, schema: Schema, database: str | None = None) -> Status:
    """Compare, version and object by object. Writes no bookkeeping and leaves nothing behind."""
    check_arguments("validate_schema", schema)
    return run_on_client(client, _make(schema, database), "validate_schema", schema=schema)


async def validate_schema_async(client: object, schema: Schema, database: str | None = None) -> Status:
    """The async twin of ``validate_schema``."""
    check_arguments("validate_schema_async", schema)
    return await run_on_client_async(client, _make(schema, database), "validate_schema_async", schema=schema)


def _make(schema: Schema, database: str | None) -> Make[Status]:
    def make(_: Connection | AsyncConnection) -> Routine[Status]:
        from aaiclick.commands.validate import validate  # a start loads no other verb

        return validate(placed(schema), database)

    return make
