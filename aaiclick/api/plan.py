"""``plan_schema``: what would be done, without doing it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta

from aaiclick.allow import Allow
from aaiclick.api.client import Make, check_arguments, placed, run_on_client, run_on_client_async
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy, kept_for
from aaiclick.routine import AsyncConnection, Connection, Routine
from aaiclick.specs.schema import Schema


def plan_schema(
    client: object,
    schema: Schema,
    database: str | None = None,
    scratch: bool = True,
    quick: bool = False,
    allow: Sequence[str | Allow] = (),
    keep_old: timedelta | None = None,
) -> Plan:
    """The plan from the live database to the declared schema. Writes no bookkeeping and leaves nothing behind;
    statements are rehearsed on empty clones in scratch, which are gone afterwards. With ``scratch=False`` nothing at
    all is created on the server: the rehearsal runs in an embedded engine in another process, and the plan says that it
    is advisory. ``quick`` looks at no row: a step then says what it would have to look at (``step.unlooked``), and may
    still become a copy, or something that has to be allowed by name. ``allow``: what will be allowed by name when it is
    carried out; some keys, such as ``materialize``, ask for steps. ``keep_old``: how long old tables will be kept
    (None: as the environment says, else a day), for the room that they take meanwhile. Each step says what it costs
    (``seconds``, ``seconds_range``, ``room``, ``expiring``): for large tables a sample of the rows is copied into
    scratch, except with ``quick``. An advisory plan says nothing of that. Raises ``UsageError`` for a key that names
    nothing, and ``SchemaAheadError`` where the database is at a newer version and this code cannot run on it.
    """
    check_arguments("plan_schema", schema)
    if not scratch:
        from aaiclick.commands.advisory import plan_elsewhere

        return plan_elsewhere(client, schema.resolved(os.environ), database, _looks(quick), _keys(allow))
    return run_on_client(
        client,
        _make(schema, database, quick, allow, keep_old),
        "plan_schema",
        schema=schema,
    )


async def plan_schema_async(
    client: object,
    schema: Schema,
    database: str | None = None,
    scratch: bool = True,
    quick: bool = False,
    allow: Sequence[str | Allow] = (),
    keep_old: timedelta | None = None,
) -> Plan:
    """The async twin of ``plan_schema``."""
    check_arguments("plan_schema_async", schema)
    if not scratch:
        from aaiclick.commands.advisory import plan_elsewhere_async

        return await plan_elsewhere_async(client, schema.resolved(os.environ), database, _looks(quick), _keys(allow))
    return await run_on_client_async(
        client,
        _make(schema, database, quick, allow, keep_old),
        "plan_schema_async",
        schema=schema,
    )


def _make(
    schema: Schema, database: str | None, quick: bool, allow: Sequence[str | Allow], keep_old: timedelta | None
) -> Make[Plan]:
    def make(connection: Connection | AsyncConnection) -> Routine[Plan]:
        from aaiclick.commands.plan import plan  # a start loads no other verb

        return plan(placed(schema), database, _looks(quick), connection.embedded, _keys(allow), _kept(keep_old))

    return make


def _keys(allow: Sequence[str | Allow]) -> frozenset[str]:
    return Policy.check().allow(*allow).allowed


def _kept(keep_old: timedelta | None) -> float:
    return (keep_old if keep_old is not None else kept_for(os.environ)).total_seconds()


def _looks(quick: bool) -> int | None:
    return 0 if quick else None
