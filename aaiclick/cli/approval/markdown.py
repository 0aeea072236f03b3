"""A plan as Markdown, for the description of a pull request. Pure."""

from __future__ import annotations

import re

from aaiclick.cli.text.change_text import clauses
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.gate import GateDecision
from aaiclick.plan.model import Plan, Step, cost_lines, step_text, version_text
from aaiclick.plan.policy import Policy
from aaiclick.printable import shown, size_text

HEADINGS = ("object", "change", "strategy", "rows", "size", "what becomes of it")


def plan_markdown(plan: Plan, verdict: GateDecision, policy: Policy, outcome: dict[str, str], command: str) -> str:
    """The whole document. ``outcome``: what becomes of each step, by its id. ``command`` carries the plan out."""
    to = f"v{plan.to_version}" if plan.to_version is not None else "the declared state"
    parts = [
        (
            f"### {code_text(plan.schema)} in database {code_text(plan.database)}: "
            f"{version_text(plan.from_version)} → {to}"
        ),
    ]
    if plan.advisory:
        parts.append("Rehearsed on another engine: the server may decide differently.")
    if not plan.steps:
        parts.append("Nothing to do.")
    else:
        parts += [_table(plan, outcome), *_lists(plan, verdict, policy)]
        parts.append(_details("SQL", fenced("\n\n".join(step_text(step) for step in plan.steps))))
    if plan.notes:
        parts.append("\n".join(f"- note: {code_text(note)}" for note in plan.notes))
    if not plan.in_sync:
        parts.append(f"To carry it out: {code_text(command)}")
    return "\n\n".join(parts) + "\n"


def code_text(text: str) -> str:
    """The text as it is, in one line: no name in it becomes a link, a mention or another cell of a table."""
    line = shown(text).strip()
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    # In a table a pipe ends the cell, also within a code span.
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|")


def fenced(sql: str) -> str:
    """A block of SQL that nothing in it can end."""
    longest = max((len(run) for run in re.findall(r"`+", sql)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sql\n{sql}\n{fence}"


def _table(plan: Plan, outcome: dict[str, str]) -> str:
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|---|---|--:|--:|---|"]
    lines += [f"| {' | '.join(_cells(step, outcome[step.id]))} |" for step in plan.steps]
    return "\n".join(lines)


def _cells(step: Step, outcome: str) -> tuple[str, ...]:
    change = "<br>".join(code_text(clause) for clause in clauses(step.change))
    size = size_text(step.bytes) if step.rows else ""
    return (code_text(step.object), change, step.strategy, f"{step.rows:,}" if step.rows else "", size, outcome)


def _lists(plan: Plan, verdict: GateDecision, policy: Policy) -> list[str]:
    found: list[str] = []
    costs = [f"- {code_text(step.object)}: {code_text(line)}" for step in plan.steps for line in cost_lines(step)]
    if costs:
        found.append("**What it costs**\n\n" + "\n".join(costs))
    risks = [
        f"- {hazard.kind}: {code_text(hazard.message)}{_allow(step, hazard)}"
        for step in plan.steps
        for hazard in step.hazards
    ]
    if risks:
        found.append("**What it risks**\n\n" + "\n".join(dict.fromkeys(risks)))
    blocked = [f"- {code_text(step.object)}: {code_text(step.blocked)}" for step in plan.required if step.blocked]
    if blocked:
        found.append("**Blocked**\n\n" + "\n".join(blocked))
    refused = [f"- {code_text(refusal.words)}" for refusal in verdict.refused]
    if refused:
        found.append(f"**Refused by {policy.words}**\n\n" + "\n".join(refused))
    return found


def _allow(step: Step, hazard: Hazard) -> str:
    if hazard.allow in step.allowed:
        return " (allowed by the migration)"
    return f" (allow {code_text(hazard.allow)})" if hazard.allow else ""


def _details(title: str, body: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"
