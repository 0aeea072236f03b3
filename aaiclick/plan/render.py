"""A plan as text: SQL that can be read, comments for what is no SQL."""

from __future__ import annotations

from aaiclick.plan.model import Plan, Step
from aaiclick.shown import shown, shown_lines, shown_sql

WORTH_SAYING = 1 << 20
"""What the looks of a step read is told from one MiB on."""


def size_text(size: int) -> str:
    """Bytes for people: ``1.5 MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{size} B"


def version_text(version: int | None) -> str:
    """``v3``, ``an empty database`` or ``an unrecorded state``."""
    if version is None:
        return "an unrecorded state"
    return f"v{version}" if version else "an empty database"


def step_text(step: Step) -> str:
    """One step: a heading, its hazards, its SQL."""
    cost = f", {step.rows:,} rows, {size_text(step.bytes)}" if step.rows else ""
    heading = [f"-- {step.object}: {step.change}"] if len(step.changes) < 2 else [f"-- {step.object}:", *(f"--   - {change}" for change in step.changes)]
    lines = [*heading, f"--   strategy: {step.strategy}{cost}{' (only if asked for)' if step.optional else ''}"]
    if step.unlooked and step.behind:
        lines.append(f"--   counted when its turn comes, behind {step.behind}: {'; '.join(step.unlooked)}")
    elif step.unlooked:
        lines.append(f"--   not looked at: {'; '.join(step.unlooked)}")
    elif step.read_bytes >= WORTH_SAYING:
        lines.append(f"--   reads {step.reads} first ({size_text(step.read_bytes)})")
    if step.blocked:
        lines.append(f"--   BLOCKED: {step.blocked}")
    for hazard in step.hazards:
        allow = f" [--allow '{hazard.allow}']" if hazard.allow else ""
        lines.append(f"--   {hazard.kind}: {hazard.message}{allow}")
    # A comment ends with its line: a name must not go on as a statement.
    lines = [shown(line) for line in lines]
    for statement in step.sql:
        lines.append(shown_lines(statement) if statement.startswith("--") else f"{shown_sql(statement)};")
    return "\n".join(lines)


def plan_text(plan: Plan) -> str:
    """The whole plan."""
    to = f"v{plan.to_version}" if plan.to_version is not None else "the declared state"
    head = shown(f"-- {plan.schema} in database {plan.database}: {version_text(plan.from_version)} -> {to}")
    if not plan.steps:
        head += "\n-- nothing to do"
    if plan.advisory:
        head += "\n-- advisory: rehearsed on another engine, the server may decide differently"
    notes = "\n".join(shown(f"-- note: {note}") for note in plan.notes)
    return "\n\n".join(part for part in (head, *(step_text(step) for step in plan.steps), notes) if part)
