"""New tables and added columns that are carried out although the policy refuses other steps of the plan.

Code of the version before does not notice them, and the refused steps do not need them. So the application's new table
is there while somebody decides about the old one. No version is recorded by that, and the start still raises.
"""

from __future__ import annotations

from collections.abc import Iterator

from aaiclick.commands.decide import gate, obstacle
from aaiclick.commands.inspection.planning import PlannedMigration, filled_by_pending
from aaiclick.errors import ApplyError, SchemaVersionError
from aaiclick.plan.gate import judge
from aaiclick.plan.model import Step
from aaiclick.plan.policy import Policy
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table
from aaiclick.state.transition import additive


def stand_alone(planned: PlannedMigration, policy: Policy) -> tuple[Step, ...]:
    """The steps that are carried out although others are refused; none where nothing is refused, or nothing may be done
    at all."""
    found = planned.inspection
    # Without a record the tables alone tell the version: none of them is changed before all of them can be.
    if policy.level == "check" or found.record is None or obstacle(planned) is not None:
        return ()
    verdict = judge(planned.plan, policy)
    if not verdict.refused:
        return ()
    # A table that is also changed in another way waits, with all of its steps. So does one that is missing and that a
    # migration would fill: no record says yet that its rows are of the newer version.
    busy = {step.object for step in planned.plan.required if not additive(step)} | filled_by_pending(found).keys()
    may = {step.id for step in verdict.run}
    return tuple(
        step
        for step in _before_scripts(planned.plan.required)
        if step.id in may and not step.blocked and step.object not in busy and _of_a_table(planned, step)
    )


def refused_besides(planned: PlannedMigration, policy: Policy, done: tuple[Step, ...]) -> Exception:
    """What a start raises once these steps are carried out."""
    try:
        gate(planned, policy)
    except SchemaVersionError as error:
        return SchemaVersionError(
            error.schema,
            error.live,
            error.expected,
            error.differences,
            error.next_command,
            tuple(step.id for step in done),
            error.refused,
            error.policy,
        )
    return ApplyError("a step that was refused before is allowed now: run again")


def _before_scripts(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Up to the first statement or function of a migration: what follows may rest on it."""
    for step in steps:
        if step.work.kind in ("sql", "callable"):
            return
        yield step


def _of_a_table(planned: PlannedMigration, step: Step) -> bool:
    """A view shows, and a materialized view feeds, what other steps may change; so do engines without rows of their
    own."""
    declared = next((item for item in planned.inspection.schema.objects if item.name == step.object), None)
    # A family's tables have names of their own.
    if declared is None or not isinstance(declared, Table) or not additive(step):
        return False
    return isinstance(declared.engine, MergeTree)
