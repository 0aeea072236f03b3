"""Telling the library which version a database is at, if its tables do not show it."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.api.client import placed, run_on_client, run_on_client_async
from aaiclick.commands.adopt import ForeignLedger, adopt, take_over
from aaiclick.specs.schema import Schema
from aaiclick.state.record import Record


def adopt_schema(
    client: object,
    schema: Schema,
    version: int,
    force: bool = False,
    database: str | None = None,
    ledger: ForeignLedger | None = None,
) -> Record:
    """Record that the database is at ``version``, without changing any table. The record says so where it was forced.
    ``ledger``: the ledger of another tool that the database is taken over from. It is read, recorded, and stays as it
    is.

    Raises ``DoesNotFitError`` where the tables differ from that version, ``UsageError`` where nobody knows it,
    and where the ledger is not there, or says that a version failed half-way.
    """
    return run_on_client(
        client,
        lambda connection: adopt(placed(schema), version, force, database, connection.embedded, ledger),
        "adopt_schema",
        schema=schema,
    )


async def adopt_schema_async(
    client: object,
    schema: Schema,
    version: int,
    force: bool = False,
    database: str | None = None,
    ledger: ForeignLedger | None = None,
) -> Record:
    """The async twin of ``adopt_schema``."""
    return await run_on_client_async(
        client,
        lambda connection: adopt(placed(schema), version, force, database, connection.embedded, ledger),
        "adopt_schema_async",
        schema=schema,
    )


def take_over_tables(
    client: object, schema: Schema, tables: Collection[str], database: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Record that tables of another schema belong to this one from now on; each with the schema that it belonged to.

    Changes no table: the next start of this schema brings them to its own declaration, and a start of the other schema
    says whose they are.

    Raises ``UsageError`` where this schema does not declare one, or no other has it.
    """
    return run_on_client(
        client, lambda connection: take_over(schema, tables, database, connection.embedded), "take_over_tables"
    )


async def take_over_tables_async(
    client: object, schema: Schema, tables: Collection[str], database: str | None = None
) -> tuple[tuple[str, str], ...]:
    """The async twin of ``take_over_tables``."""
    return await run_on_client_async(
        client, lambda connection: take_over(schema, tables, database, connection.embedded), "take_over_tables_async"
    )
