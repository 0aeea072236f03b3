"""``aaiclick migrate --dry-run``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from aaiclick.cli import calls
from aaiclick.cli.failures import ExitCode
from aaiclick.cli.frame import Frame
from aaiclick.cli.output import Output
from aaiclick.cli.text.change_text import clauses
from aaiclick.cli.text.numbers import count_text, rows_text
from aaiclick.commands.inspection.unused_keys import unasked
from aaiclick.plan.gate import GateDecision, Refusal, judge
from aaiclick.plan.model import Plan, Step
from aaiclick.plan.policy import Policy
from aaiclick.printable import range_text, shown, size_text

HEADINGS = ("object", "change", "strategy", "rows", "size", "hazards", "")


def dry_run(frame: Frame, chosen: Policy, quick: bool = False, to: int | None = None) -> ExitCode:
    """Print the plan: at a terminal with a table, in a pipe as SQL with the same table in comments."""
    declared, target = frame.declared(to), frame.target()
    # What a database that is not there yet needs is planned in memory: a dry run leaves nothing behind.
    url = "chdb://memory" if target.missing else target.url
    plan = calls.plan(url, declared, frame.database, chosen, quick)
    calls.require_named(declared, plan)
    if target.missing:
        plan = dataclasses.replace(plan, notes=(f"no database at {target.place} yet: it will be made", *plan.notes))
    code = ExitCode.DONE if plan.in_sync and plan.recorded and not target.missing else ExitCode.PENDING
    if frame.as_json:
        frame.output.document(plan.to_json())
        return code
    print_plan(frame, plan, chosen, frame.without_flags, pending=code == ExitCode.PENDING)
    return code


def print_plan(
    frame: Frame, plan: Plan, chosen: Policy, command: Callable[[], str], pending: bool | None = None
) -> None:
    """At a terminal with a table, in a pipe as SQL. ``command`` tells what carries the plan out. ``pending``: whether
    there is anything to do; None: where steps are required."""
    output = frame.output
    say = _Comments(output)
    frame.spare = unasked(chosen.allowed, plan.steps)  # before any command is suggested
    if plan.steps or plan.notes:
        output.sql(str(plan))
        say("")
    verdict = judge(plan, chosen)
    if plan.steps:
        output.table(HEADINGS, [_row(step, verdict) for step in plan.steps], frozenset({"rows", "size"}), prefix="-- ")
        say("")
    if (not plan.in_sync or not plan.recorded) if pending is None else pending:
        _closing(say, frame, plan, verdict, chosen, command())
    else:
        version = max(plan.to_version, plan.from_version or 0) if plan.to_version is not None else None
        at = f"v{version}" if version is not None else "the declared schema"
        say(f"✓ {plan.schema} is at {at}: nothing to do", "green")
        if verdict.pending and (keys := _keys(verdict.pending)):
            say(f"to do what is left alone too, run: {frame.migrate(keys)}")


class _Comments:
    """Lines of text; in a pipe they are SQL comments, so that the whole output stays SQL."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._prefix = "" if output.out.is_terminal else "-- "

    def __call__(self, text: str, style: str = "") -> None:
        self._output.say((self._prefix + text).rstrip(), style)


def _row(step: Step, verdict: GateDecision) -> tuple[str, ...]:
    change = "\n".join(shown(clause) for clause in clauses(step.change))
    hazards = ", ".join(dict.fromkeys(hazard.kind for hazard in step.hazards))
    return (
        shown(step.object),
        change,
        step.strategy,
        f"{step.rows:,}",
        size_text(step.bytes),
        hazards,
        outcome(step, verdict),
    )


def outcome(step: Step, verdict: GateDecision) -> str:
    """What would become of a step."""
    if step.blocked:
        return "blocked"
    if any(refusal.step is step for refusal in verdict.pending):
        return "left alone"
    if any(refusal.step is step for refusal in verdict.refused):
        return "refused"
    if step.unlooked:
        return f"counted behind {shown(step.behind)}" if step.behind else "not looked at"
    return "runs"


def closing_keys(verdict: GateDecision) -> tuple[str, ...]:
    """What would have to be allowed for the steps that are refused."""
    return _keys(verdict.refused)


def _keys(refusals: tuple[Refusal, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for refusal in refusals for key in refusal.allow))


def _closing(say: _Comments, frame: Frame, plan: Plan, verdict: GateDecision, chosen: Policy, command: str) -> None:
    """How much it is, and what to run."""
    rows, size = sum(step.rows for step in verdict.run), sum(step.bytes for step in verdict.run)
    cost = [count_text(len(verdict.run), "step", "steps"), *([rows_text(rows), size_text(size)] if rows else [])]
    ranges = [step.seconds_range for step in verdict.run if step.seconds_range is not None]
    if rows and ranges:
        cost.append(range_text(sum(low for low, _ in ranges), sum(high for _, high in ranges)))
    if plan.in_sync and plan.from_version and not plan.recorded:
        at = f"{plan.schema} is at v{plan.from_version}"
        say(f"{at}: nothing has to be changed, and v{plan.to_version} is not recorded yet")
    elif not verdict.refused:
        say(" · ".join(cost))
    for step in plan.required:
        if step.blocked:
            say(f"blocked: {step.object}: {step.change}: {step.blocked}", "red")
    for refusal in verdict.refused:
        keys = " and ".join(f"'{key}'" for key in refusal.allow)
        said = f"{refusal.step.object}: {refusal.step.change}: {refusal.reason}{f' (allow {keys})' if keys else ''}"
        say(f"refused by {chosen.words}: {said}", "yellow")
    if any(step.blocked for step in plan.required):
        say(f"put right what is in the way, then run: {frame.migrate(_keys(verdict.refused))}", "bold")
    elif verdict.refused:
        # Where no key would do, the policy itself is too narrow, and the line to run is without it.
        wider = any(not refusal.allow for refusal in verdict.refused)
        say(f"to allow it, run: {frame.migrate(_keys(verdict.refused), wider)}", "bold")
    else:
        say(f"run: {command}", "bold")
        if plan.in_sync and (further := _keys(verdict.pending)):
            say(f"to do what is left alone too, run: {frame.migrate(further)}")
