"""The question before anything is rewritten or lost in many databases: what is carried out is what was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aaiclick.cli.approval import question
from aaiclick.cli.frame import Frame
from aaiclick.cli.text.numbers import count_text, rows_text
from aaiclick.errors import SchemaAheadError
from aaiclick.plan.gate import judge
from aaiclick.printable import size_text

if TYPE_CHECKING:
    from aaiclick.commands.report import Report
    from aaiclick.plan.model import Plan, Step
    from aaiclick.plan.policy import Policy
    from aaiclick.tenants import Tenant, TenantGroup, TenantPlans, Tenants


@dataclass(frozen=True, slots=True)
class Agreement:
    """What somebody has agreed to. Empty where nobody was asked."""

    plans: Mapping[str, Plan] = field(default_factory=dict[str, "Plan"])
    """The plan of each database: it is carried out as it was then, or not at all."""
    failed: Mapping[str, Tenant[Plan]] = field(default_factory=dict[str, "Tenant[Plan]"])
    """Databases of which nothing could be shown, so that nothing is done in them."""

    def completed(self, found: Tenants[Report]) -> Tenants[Report]:
        """What became of all databases, those included in which nothing was done."""
        from aaiclick.tenants import Tenant

        left: list[Tenant[Report]] = [
            Tenant(each.database, None, each.error, each.seconds) for each in self.failed.values()
        ]
        return replace(found, tenants=tuple(sorted((*found.tenants, *left), key=lambda each: each.database)))


def agreement(frame: Frame, plans: TenantPlans, policy: Policy) -> Agreement | None:
    """Ask whether what rewrites or loses rows may be done; None where the answer is no. Where nothing does, nobody is
    asked."""
    answers = {each.database: each.answer for each in plans.found.tenants if each.answer is not None}
    asked = 0
    for group in plans.groups:
        verdict = judge(group.plan, policy)
        steps = tuple(step for step in verdict.run if question.grave(step))
        # Where the policy refuses the plan nothing of it is carried out, and nobody has to agree to it.
        if steps and not verdict.refused:
            frame.output.tell(heading(group), "bold")
            question.show_steps(frame.output, _in_all(steps, [answers[name] for name in group.databases]))
            asked += len(group.databases)
    if not asked:
        return Agreement()
    if not question.confirmed(frame.output, f"Carry that out in {count_text(asked, 'database', 'databases')}? [y/N] "):
        return None
    # In one that is newer than this code nothing is done anyway.
    others = (each for each in plans.found.tenants if not isinstance(each.error, SchemaAheadError))
    return Agreement(answers, {each.database: each for each in others if each.answer is None})


def _in_all(steps: Sequence[Step], plans: Sequence[Plan]) -> tuple[Step, ...]:
    """The steps of one database, with the rows of all that have the same steps, and those that their TTLs delete."""
    found: list[Step] = []
    for step in steps:
        same = [each for plan in plans for each in plan.steps if each.id == step.id]
        rows, size = sum(each.rows for each in same), sum(each.bytes for each in same)
        expiring = None if step.expiring is None else sum(each.expiring or 0 for each in same)
        found.append(replace(step, rows=rows, bytes=size, expiring=expiring))
    return tuple(found)


def left_over(names: Sequence[str], agreed: Agreement) -> tuple[str, ...]:
    """The databases of which something was shown."""
    return tuple(name for name in names if name not in agreed.failed)


def heading(group: TenantGroup) -> str:
    """``3 databases: tenant_ada, tenant_bob, tenant_cyd · 1,000 rows, 12 KiB in all``."""
    listed = ", ".join(group.databases[:3]) + (" ..." if len(group.databases) > 3 else "")
    cost = f" · {rows_text(group.rows)}, {size_text(group.bytes)} in all" if group.rows else ""
    return f"{count_text(len(group.databases), 'database', 'databases')}: {listed}{cost}"
