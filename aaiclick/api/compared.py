"""A plan with the definitions of everything before and after it."""

from __future__ import annotations

from aaiclick.api.client import check_arguments, placed, run_on_client
from aaiclick.commands.compared import ComparedPlan, compare
from aaiclick.plan.policy import Policy
from aaiclick.specs.schema import Schema


def compare_schema(
    client: object, schema: Schema, policy: Policy, database: str | None = None, quick: bool = False
) -> ComparedPlan:
    """What ``plan_schema`` answers for this policy, with the live definitions and those that they become. Errors as
    there."""
    check_arguments("compare_schema", schema, policy)
    max_read_bytes, keep = 0 if quick else None, policy.keep_old.total_seconds()
    return run_on_client(
        client,
        lambda connection: compare(placed(schema), database, max_read_bytes, connection.embedded, policy.allowed, keep),
        "compare_schema",
        schema=schema,
    )
