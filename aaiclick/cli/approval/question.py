"""The question before anything is rewritten or lost."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

from aaiclick.cli import calls
from aaiclick.cli.frame import Frame
from aaiclick.cli.output import Output, fitting
from aaiclick.cli.text.change_text import clauses, headline
from aaiclick.errors import SchemaAheadError
from aaiclick.plan.gate import judge
from aaiclick.plan.model import Plan, Step, cost_lines
from aaiclick.plan.policy import Policy
from aaiclick.printable import rows_text, shown, shown_sql, size_text
from aaiclick.specs.schema import Schema

_WRITES = frozenset({"mutate", "rebuild", "drop", "sql", "callable"})
_GRAVE = frozenset({"rewrites-data", "cannot-be-undone"})


def is_asked(frame: Frame, policy: Policy) -> bool:
    """At a terminal, where there is somebody to answer and something to lose."""
    if frame.as_json or frame.progress == "json" or policy.level == "check" or frame.target().missing:
        return False
    # A process may have been started without any input.
    return _is_terminal(sys.stderr) and sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def grave(step: Step) -> bool:
    """Whether a step rewrites rows, or loses or changes any. Statements and functions of a migration may do both."""
    return step.strategy in _WRITES or step.destructive or any(hazard.kind in _GRAVE for hazard in step.hazards)


def steps_to_ask_about(frame: Frame, declared: Schema, policy: Policy) -> tuple[Plan, tuple[Step, ...]] | None:
    """The plan with the steps that have to be asked about; None where there are none, or where the run will refuse by
    itself."""
    # Under ``safe`` no row is read, and what would have to be looked at is not carried out.
    quick = policy.level == "safe"
    try:
        plan = calls.plan(frame.target().url, declared, frame.database, policy, quick)
    except SchemaAheadError:
        return None
    verdict = judge(plan, policy)
    newer = plan.to_version is not None and (plan.from_version or 0) > plan.to_version
    if newer or verdict.refused or any(step.blocked for step in verdict.run):
        return None
    steps = tuple(step for step in verdict.run if grave(step))
    return (plan, steps) if steps else None


def agreed(frame: Frame, steps: tuple[Step, ...]) -> bool:
    """Show the steps and read an answer. Anything but a yes is a no."""
    show_steps(frame.output, steps)
    return confirmed(frame.output, f"Carry {'it' if len(steps) == 1 else f'these {len(steps)} steps'} out? [y/N] ")


def show_steps(output: Output, steps: tuple[Step, ...]) -> None:
    """What is asked about: each step with what it does to rows."""
    for step in steps:
        cost = f", {rows_text(step.rows)}, {size_text(step.bytes)}" if step.rows else ""
        output.tell(f"{step.object}: {headline(step.change)} ({step.strategy}{cost})", "bold")
        parts = clauses(step.change)
        # Several changes have only their number in the title; what a script sends is in none.
        for line in parts if len(parts) > 1 else ():
            output.tell(f"    {line}")
        for line in (*step.diff, *(_statements(step) if step.strategy == "sql" else ())):
            output.tell(f"    | {line}")
        for line in cost_lines(step):
            output.tell(f"    {line}")
        for hazard in step.hazards:
            output.tell(f"    {hazard.kind}: {hazard.message}", "yellow" if hazard.destructive else "")


def _statements(step: Step) -> list[str]:
    return [line for statement in step.sql for line in shown_sql(statement).splitlines()]


def confirmed(output: Output, question: str) -> bool:
    """Ask, and read a line: anything but a yes is a no."""
    with contextlib.suppress(OSError):
        output.err.print(fitting(shown(question), output.err.encoding), end="", soft_wrap=True)
        output.err.file.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        output.tell("")  # what follows has a line of its own
        raise
    if not answer.endswith("\n"):
        output.tell("")  # the end of the input was typed, not a line
    return answer.strip().lower() in ("y", "yes")


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()
