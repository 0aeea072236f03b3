"""Carries out an approved plan only if the plan that is made now is the same.

Nothing of the approved plan is ever sent. It is compared with the plan made under the lease, and that one is carried
out. Before its first effect a run enters in the journal that it has begun: whoever goes on with the same plan after a
kill finds a part of it done, and that is no difference.
"""

from __future__ import annotations

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.errors import StalePlanError, UsageError
from aaiclick.plan.model import PLAN_FORMAT, Plan
from aaiclick.printable import shown
from aaiclick.routine import Routine
from aaiclick.state.progress import JournalScope, enter_end, enter_start

_APPROVED = "0:approved:"


def check_plan(caller: str, plan: object, schema: str) -> None:
    """Raises ``UsageError`` where it is no plan for that schema. Asks no database."""
    if plan is None:
        return
    if not isinstance(plan, Plan):
        raise UsageError(
            f"{caller} was given an object of type {type(plan).__name__} as the plan: a Plan is wanted, as "
            "plan_schema() or Plan.from_json() gives it"
        )
    if plan.schema != schema:
        raise UsageError(f"the approved plan is for the schema {plan.schema}, and this is {schema}")
    if plan.format != PLAN_FORMAT:
        raise UsageError(
            f"the approved plan has format {plan.format}, and this release reads format {PLAN_FORMAT}: make it anew"
        )


def require_its_database(plan: Plan | None, database: str) -> None:
    """Raises ``UsageError`` where the plan was made for another database."""
    if plan is not None and plan.database != database:
        raise UsageError(
            f"the approved plan was made for the database {shown(plan.database)}, and this is {shown(database)}: "
            "make one for it"
        )


def require_approved(plan: Plan, planned: PlannedMigration) -> None:
    """Raises ``StalePlanError`` where what would be done now is not what was approved."""
    from aaiclick.plan.approval.compare import changed_since

    changes = changed_since(plan, planned.plan, _begun(plan, planned.inspection))
    if changes:
        raise StalePlanError(plan.schema, changes)


def as_approved(planned: PlannedMigration) -> Routine[PlannedMigration]:
    """The plan with the rows that its TTLs delete, which count as those of hazards do. A start without an approved plan
    does not ask for them."""
    from aaiclick.commands.costs.expiring import with_expiring

    return (yield from with_expiring(planned))


def enter_approval(scope: JournalScope, plan: Plan) -> Routine[None]:
    """Before the first effect: from now on a part of the plan may be done."""
    yield from enter_start(scope, _key(plan), {"steps": [step.id for step in plan.steps]})


def end_approval(scope: JournalScope, plan: Plan) -> Routine[None]:
    """After the record: what is planned from now on is another plan."""
    yield from enter_end(scope, _key(plan))


def _begun(plan: Plan, found: Inspection) -> bool:
    key = _key(plan)
    return any(entry.action.step == key and entry.state == "intent" for entry in found.entries)


def _key(plan: Plan) -> str:
    # Of its whole text: what was begun with one plan is no beginning of another.
    return f"{_APPROVED}{text_digest({'': plan.to_json()})}"
