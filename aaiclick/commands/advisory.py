"""Plans with an embedded engine in another process, without any scratch object on the server."""

from __future__ import annotations

import re
from dataclasses import replace

from aaiclick.clickhouse.names import PREFIX
from aaiclick.clients import open_async_connection, open_connection
from aaiclick.clients.temporary_engine import AsyncSplitConnection, SplitConnection, temporary_engine
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.commands.newer_version import plan_of_newer
from aaiclick.plan.model import Plan
from aaiclick.routine import Routine, run, run_async
from aaiclick.specs.schema import Schema

_SCRATCH = re.compile(rf"{re.escape(PREFIX)}scratch_[0-9a-f]")


def _is_scratch(text: str) -> bool:
    # What asks for all scratch databases, by the prefix, is about the server; so is the record, which comes with it.
    return _SCRATCH.search(text) is not None


def plan_elsewhere(
    client: object, schema: Schema, database: str | None, max_read_bytes: int | None, allowed: frozenset[str]
) -> Plan:
    """The plan, rehearsed in an embedded engine in another process: advisory, as that engine may be of another
    version."""
    connection = open_connection(client, caller="plan_schema")
    try:
        with temporary_engine() as other:
            return run(
                _plan(schema, database, max_read_bytes, allowed), SplitConnection(connection, other, _is_scratch)
            )
    finally:
        connection.close()


async def plan_elsewhere_async(
    client: object, schema: Schema, database: str | None, max_read_bytes: int | None, allowed: frozenset[str]
) -> Plan:
    """The async twin of ``plan_elsewhere``."""
    connection = await open_async_connection(client, caller="plan_schema_async")
    try:
        with temporary_engine() as other:
            return await run_async(
                _plan(schema, database, max_read_bytes, allowed), AsyncSplitConnection(connection, other, _is_scratch)
            )
    finally:
        await connection.close()


def _plan(schema: Schema, database: str | None, max_read_bytes: int | None, allowed: frozenset[str]) -> Routine[Plan]:
    found = yield from inspect_database(schema, database, allowed)
    if (nothing := plan_of_newer(found)) is not None:
        return nothing
    planned = yield from make_plan(found, max_read_bytes, clones=False)
    return replace(planned.plan, advisory=True)
