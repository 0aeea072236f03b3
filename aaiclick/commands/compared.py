"""What would be done, with the definitions of everything before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import Form, LiveObject
from aaiclick.commands.costs.costs import with_costs
from aaiclick.commands.costs.expiring import with_expiring
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.commands.inspection.unused_keys import unneeded
from aaiclick.commands.newer_version import plan_of_newer
from aaiclick.commands.rights import missing_rights
from aaiclick.plan.model import Plan
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


@dataclass(frozen=True, slots=True)
class ComparedPlan:
    """A plan with what it is about."""

    plan: Plan
    """What would be done."""
    schema: Schema
    """The declaration with its SQL read."""
    live: Mapping[str, LiveObject]
    """All objects of the database, by name."""
    after: Mapping[str, Form]
    """What tables that differ become, and other declared objects as far as that was worked out, by name."""


def compare(
    schema: Schema,
    database: str | None,
    max_read_bytes: int | None,
    embedded: bool,
    allowed: frozenset[str],
    keep_seconds: float | None,
) -> Routine[ComparedPlan]:
    """The plan with what it costs, the rights that it would need and the user has not, and what it is about.
    ``max_read_bytes``: how many bytes of live columns may be read for each table (None: any number). ``allowed``: what
    will be allowed by name. ``keep_seconds``: how long old tables will be kept; None: nobody asks what it costs.

    Raises ``SchemaAheadError`` where the database is at a newer version, on which this code may not run."""
    found = yield from inspect_database(schema, database, allowed)
    if (nothing := plan_of_newer(found)) is not None:
        return ComparedPlan(nothing, found.schema, found.catalog.objects, {})
    made = yield from make_plan(found, max_read_bytes)
    if keep_seconds is None:
        # What is deleted by a new TTL is no cost: whoever agrees to the plan agrees to that.
        planned = (yield from with_expiring(made, max_read_bytes != 0)).plan
    else:
        planned = yield from with_costs(made, max_read_bytes, keep_seconds)
    if not found.topology.single and found.topology.hosts:
        from aaiclick.commands.inspection.host_states import words_of_hosts

        apart = yield from words_of_hosts(found, frozenset(step.object for step in planned.steps))
        planned = replace(planned, notes=(*planned.notes, *apart))
    spare = unneeded(allowed, planned.steps, planned.notes)
    planned = replace(planned, notes=(*planned.notes, *spare))
    # An embedded engine has one user, who may do everything.
    if not embedded:
        planned = replace(planned, notes=(*planned.notes, *(yield from missing_rights(planned))))
    return ComparedPlan(planned, found.schema, found.catalog.objects, {**made.forms, **made.targets})
