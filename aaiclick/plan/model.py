"""A plan as data: printable SQL, JSON that round-trips, nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from aaiclick.diff.hazards import Hazard
from aaiclick.plan.operations import CreateWork, ReplaceWork, Work
from aaiclick.printable import shown, shown_lines, shown_sql, size_text

Strategy: TypeAlias = Literal["create", "alter", "mutate", "attach", "rebuild", "replace", "backfill", "drop", "sql", "callable"]
PLAN_FORMAT = 1
WORTH_SAYING = 1 << 20
"""What the looks of a step read is told from one MiB on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    ``change`` says in words what differs (``changes``: one by one); ``sql`` is what will be sent (names with a ``<run>`` in them get the run's own
    number), lines that begin with ``--`` tell what is no SQL. ``rows`` and ``bytes`` are what it has to read, ``seconds`` an estimate
    or None. ``optional`` steps clean up what the code no longer declares: they are only carried out where asked for. ``blocked`` is ''
    or says, with count and example, why the data stands in the way. ``migrations``: the versions whose migration is in this step.
    ``reads``: the columns of live rows that are looked at before it, in words, and ``read_bytes`` their size; ``unlooked``: what that would
    have shown, where no row was looked at. ``behind``: the explicit part that may change these rows, and has not run yet: they are looked at when
    it has.
    """

    id: str
    object: str
    change: str
    strategy: Strategy
    sql: list[str]
    work: Work
    hazards: tuple[Hazard, ...] = ()
    rows: int = 0
    bytes: int = 0
    seconds: float | None = None
    optional: bool = False
    blocked: str = ""
    changes: tuple[str, ...] = ()
    migrations: tuple[int, ...] = ()
    reads: str = ""
    read_bytes: int = 0
    unlooked: tuple[str, ...] = ()
    behind: str = ""

    @property
    def differences(self) -> tuple[str, ...]:
        """Each difference that the step removes, with the object's name in front."""
        return tuple(f"{self.object}: {change}" for change in self.changes or (self.change,))

    @property
    def destructive(self) -> bool:
        """True where a hazard takes rows or values away."""
        return any(hazard.destructive for hazard in self.hazards)


@dataclass(frozen=True, slots=True)
class Plan:
    """From the live database to the declared schema.

    ``from_version`` is None where nothing is recorded or recognised (0: a database without any of the objects). ``basis`` names the
    live state the plan was made for: applying it to another state is a ``StalePlanError``. ``notes`` are reported differences that
    are no work (surplus columns, undeclared settings, unsupported objects).
    """

    schema: str
    database: str
    from_version: int | None
    to_version: int | None
    steps: tuple[Step, ...]
    basis: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    advisory: bool = False
    format: int = PLAN_FORMAT

    @property
    def required(self) -> tuple[Step, ...]:
        """The steps without which the database is not at the declared version."""
        return tuple(step for step in self.steps if not step.optional)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """All hazards, in the order of the steps."""
        return tuple(hazard for step in self.steps for hazard in step.hazards)

    def differences(self, order: Sequence[str]) -> tuple[str, ...]:
        """What has to change, one sentence each; objects in the given order (that of their declaration), others behind."""
        place = {name: index for index, name in enumerate(order)}
        steps = sorted(self.required, key=lambda step: place.get(step.object, len(place)))
        return tuple(words for step in steps for words in step.differences)

    @property
    def in_sync(self) -> bool:
        """True where nothing has to be done."""
        return not self.required

    def to_json(self) -> str:
        """JSON text that ``from_json`` reads back to an equal plan; statements that hold a secret are left out."""
        return _plan().dump_json(replace(self, steps=tuple(_without_secrets(step) for step in self.steps)), indent=2).decode()

    @staticmethod
    def from_json(text: str) -> Plan:
        """The plan that ``to_json`` wrote; ``pydantic.ValidationError`` where it is none."""
        return _plan().validate_json(text)

    def __str__(self) -> str:
        return plan_text(self)


def _without_secrets(step: Step) -> Step:
    match step.work:
        case CreateWork(secret=True):
            return replace(step, work=replace(step.work, sql=""))
        case ReplaceWork(secret=True):
            return replace(step, work=replace(step.work, statements=(), trial=""))
        case _:
            return step


@cache
def _plan() -> TypeAdapter[Plan]:
    # Built on first use: a start with nothing to do has none.
    return TypeAdapter(Plan)


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
