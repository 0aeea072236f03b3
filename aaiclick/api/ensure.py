"""``ensure_schema``: the call that an application makes at start-up."""

from __future__ import annotations

from aaiclick.api import once as memory
from aaiclick.api.client import Make, check_arguments, placed, policy_for, run_on_client, run_on_client_async
from aaiclick.commands.ensure import ensure
from aaiclick.commands.report import Report
from aaiclick.commands.start.run import Run
from aaiclick.lease.owner import this_process
from aaiclick.plan.model import Plan
from aaiclick.plan.policy import Policy
from aaiclick.routine import AsyncConnection, Connection, OnEvent, Routine
from aaiclick.specs.schema import Schema
from aaiclick.version import VERSION


def ensure_schema(
    client: object,
    schema: Schema,
    policy: Policy | None = None,
    database: str | None = None,
    once: bool = False,
    on_event: OnEvent | None = None,
    plan: Plan | None = None,
) -> Report:
    """Bring the live database to the declared version, or stop with one clear sentence.

    ``client`` is a URL, a clickhouse-connect client or a chdb session; ``database`` defaults to the client's current
    one. ``policy`` says what may be done without asking (default: ``lossless`` up to 1 GiB on an embedded engine,
    ``safe`` on a server). ``once=True`` makes the second call in this process free. ``on_event`` is told about
    progress. ``plan`` is a plan that was approved: it is carried out only where the plan made now is the same, with the
    same steps, SQL and hazards. It allows nothing by itself, and no SQL is taken from it.

    Raises ``SchemaVersionError`` where the policy does not allow what has to be done, ``SchemaAheadError``,
    ``SpecChangedError``, ``UnrecognisedSchemaError``, ``BlockedError`` where the data stands in the way,
    ``StalePlanError`` where what would be done is not what was approved, ``ApplyError`` where carrying it out failed
    (run again), ``ConnectionFailed``.
    """
    check_arguments("ensure_schema", schema, policy)
    _check_plan("ensure_schema", plan, schema)
    # With the values of its variables: with other ones it is another declaration.
    known = memory.recall(client, placed(schema), database) if once else None
    if known is not None:
        return known
    report = run_on_client(client, _make(schema, policy, database, plan), "ensure_schema", on_event, schema=schema)
    if once:
        memory.remember(client, placed(schema), database, report)
    return report


async def ensure_schema_async(
    client: object,
    schema: Schema,
    policy: Policy | None = None,
    database: str | None = None,
    once: bool = False,
    on_event: OnEvent | None = None,
    plan: Plan | None = None,
) -> Report:
    """The async twin of ``ensure_schema``; takes async clients as well as sync ones (those run in a thread)."""
    check_arguments("ensure_schema_async", schema, policy)
    _check_plan("ensure_schema_async", plan, schema)
    known = memory.recall(client, placed(schema), database) if once else None
    if known is not None:
        return known
    report = await run_on_client_async(
        client, _make(schema, policy, database, plan), "ensure_schema_async", on_event, schema=schema
    )
    if once:
        memory.remember(client, placed(schema), database, report)
    return report


def _make(schema: Schema, policy: Policy | None, database: str | None, plan: Plan | None) -> Make[Report]:
    def make(connection: Connection | AsyncConnection) -> Routine[Report]:
        chosen = policy_for(policy, connection.embedded)
        owner = this_process()
        return ensure(Run(placed(schema), database, chosen, owner, connection.embedded, VERSION, plan))

    return make


def _check_plan(caller: str, plan: object, schema: Schema) -> None:
    if plan is not None:
        from aaiclick.commands.approval.approved import check_plan

        check_plan(caller, plan, schema.name)
