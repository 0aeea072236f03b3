"""What a run is about to do, looked at for the hooks around it. Where there are none, nothing is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaiclick.cli import calls
from aaiclick.plan.gate import judge

if TYPE_CHECKING:
    from aaiclick.cli.frame import Frame
    from aaiclick.cli.hooks.hooks import Hooks
    from aaiclick.plan.policy import Policy
    from aaiclick.specs.schema import Schema


def before_migrate(frame: Frame, hooks: Hooks, declared: Schema, policy: Policy) -> None:
    """Run the hook before, where something will be done. A run that has nothing to do, or will be refused, has none.
    Raises what planning raises, and ``HookError``."""
    target = frame.target()
    hooks.know(declared, frame.database, target.place)
    if not hooks.around_run:
        return
    url = "chdb://memory" if target.missing else target.url
    plan = calls.plan(url, declared, frame.database, policy, policy.level == "safe")
    verdict = judge(plan, policy)
    newer = plan.to_version is not None and (plan.from_version or 0) > plan.to_version
    if newer or verdict.refused or any(step.blocked for step in verdict.run):
        return
    unfinished = not verdict.run and not target.missing and calls.validate(url, declared, frame.database).unfinished
    if verdict.run or unfinished:
        hooks.before(verdict.run, (plan.database, plan.from_version, plan.to_version))


def before_rollback(frame: Frame, hooks: Hooks, declared: Schema, to: int | None, allow: tuple[str, ...]) -> None:
    """The same before a rollback. Raises what a dry run of it raises."""
    target = frame.target()
    hooks.know(declared, frame.database, target.place)
    if not hooks.around_run:
        return
    would = calls.rollback(target.url, declared, to, frame.database, allow, True, frame.kept_for(), lambda _: None)
    hooks.before(would.pending, (would.database, would.from_version, would.to_version))
