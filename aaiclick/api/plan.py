"""``plan_schema``: what would be done, without doing it."""

from __future__ import annotations

from aaiclick.api.client import check_arguments, placed, run_on_client, run_on_client_async
from aaiclick.commands.plan import plan
from aaiclick.plan.model import Plan
from aaiclick.specs.schema import Schema


def plan_schema(
    client: object, schema: Schema, database: str | None = None, scratch: bool = True, quick: bool = False
) -> Plan:
    """The plan from the live database to the declared schema. Writes no bookkeeping and leaves nothing behind;
    statements are rehearsed on empty clones in scratch, which are gone afterwards. With ``scratch=False`` nothing at
    all is created on the server: the rehearsal runs in an embedded engine in another process, and the plan says that it
    is advisory. ``quick`` looks at no row: a step then says what it would have to look at (``step.unlooked``), and may
    still become a copy, or something that has to be allowed by name."""
    check_arguments("plan_schema", schema)
    if not scratch:
        from aaiclick.commands.advisory import plan_elsewhere

        return plan_elsewhere(client, schema, database, _looks(quick))
    return run_on_client(
        client,
        lambda connection: plan(placed(schema), database, _looks(quick), connection.embedded),
        "plan_schema",
        schema=schema,
    )


async def plan_schema_async(
    client: object, schema: Schema, database: str | None = None, scratch: bool = True, quick: bool = False
) -> Plan:
    """The async twin of ``plan_schema``."""
    check_arguments("plan_schema_async", schema)
    if not scratch:
        from aaiclick.commands.advisory import plan_elsewhere_async

        return await plan_elsewhere_async(client, schema, database, _looks(quick))
    return await run_on_client_async(
        client,
        lambda connection: plan(placed(schema), database, _looks(quick), connection.embedded),
        "plan_schema_async",
        schema=schema,
    )


def _looks(quick: bool) -> int | None:
    return 0 if quick else None
