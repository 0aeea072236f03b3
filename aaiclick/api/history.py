"""What was applied to a database, when, by whom and how long it took."""

from __future__ import annotations

from aaiclick.api.client import run_on_client, run_on_client_async
from aaiclick.commands.history import Standing, schema_records, standing
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.record import Record


def schema_history(client: object, schema: Schema, database: str | None = None) -> tuple[Record, ...]:
    """Every transition of the schema, oldest first; none where nothing was recorded. Changes nothing.

    Raises ``UsageError`` where the host that is asked lacks the records that others of its cluster share.
    """
    return run_on_client(client, lambda _: _records(schema, database), "schema_history", schema=schema)


async def schema_history_async(client: object, schema: Schema, database: str | None = None) -> tuple[Record, ...]:
    """The async twin of ``schema_history``."""
    return await run_on_client_async(
        client, lambda _: _records(schema, database), "schema_history_async", schema=schema
    )


def _records(schema: Schema, database: str | None) -> Routine[tuple[Record, ...]]:
    return schema_records(schema.name, database, schema.cluster or "")


def what_stands(client: object, database: str | None = None) -> Standing:
    """The schemas that were ever applied to the database, and its tables. Changes nothing."""
    return run_on_client(client, lambda _: standing(database), "what_stands")
