"""What would be done, without doing it."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.commands.costs.costs import with_costs
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.inspection.planning import make_plan
from aaiclick.commands.rights import missing_rights
from aaiclick.plan.model import Plan
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def plan(
    schema: Schema,
    database: str | None,
    looks: int | None,
    embedded: bool,
    allowed: frozenset[str],
    keep_seconds: float | None,
) -> Routine[Plan]:
    """The plan with what it costs, and the rights that it would need and the user has not. ``looks``: how many bytes of
    live columns may be read for each table (None: any number). ``allowed``: what will be allowed by name.
    ``keep_seconds``: how long old tables will be kept; None: nobody asks what it costs."""
    planned = yield from make_plan((yield from inspect_database(schema, database, allowed)), looks)
    made = planned.plan if keep_seconds is None else (yield from with_costs(planned, looks, keep_seconds))
    # An embedded engine has one user, who may do everything.
    return made if embedded else replace(made, notes=(*made.notes, *(yield from missing_rights(made))))
