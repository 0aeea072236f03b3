"""A plan as data: SQL for people, and JSON that is read back as the same plan. Nothing that a run does is missing in
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from aaiclick.catalog.secrets import hidden_texts
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import UsageError
from aaiclick.plan.operations import CreateWork, ReplaceWork, Work
from aaiclick.plan.seal import plan_seal
from aaiclick.printable import allow_flag, range_text, rows_text, seconds_text, shown, shown_lines, shown_sql, size_text
from aaiclick.sql.secrets import without_secrets

Strategy: TypeAlias = Literal[
    "create", "alter", "mutate", "attach", "rebuild", "replace", "backfill", "drop", "sql", "callable"
]
PLAN_FORMAT = 1
WORTH_SAYING = 1 << 20
"""What the looks of a step read is told from one MiB on."""


@dataclass(frozen=True, slots=True)
class Room:
    """Room on the disks of a table that a step takes, beside what the table has now."""

    disk: str
    """Names of the disks of the table's storage policy; '' where the user may not see them."""
    bytes: int
    """Bytes that have to be free when the step begins."""
    free: int | None
    """Bytes that are free there now; None where there is no limit, and where it is not known."""
    kept_bytes: int
    """Bytes that stay taken after the step, at most: the old table of a copy, the parts that a mutation has
    replaced."""
    kept_seconds: float
    """For how long, in seconds after the step; 0: nothing stays."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan."""

    id: str
    """Name of the step, unique in its plan: ``t:rebuild``."""
    object: str
    """Name of the object that it is about, or label of the migration whose statements it sends."""
    change: str
    """What differs, in words, in one line."""
    strategy: Strategy
    """How it is carried out."""
    sql: list[str]
    """What is sent, for people. ``<run>`` in a name stands for the number of the run; a line that begins with ``--`` is
    no statement."""
    work: Work
    """What is carried out."""
    hazards: tuple[Hazard, ...] = ()
    """What it may do to rows, values, readers and writers."""
    rows: int = 0
    """Rows that it has to read; 0 where it reads none."""
    bytes: int = 0
    """Bytes that it has to read, compressed."""
    seconds: float | None = None
    """Estimated duration in seconds; None where there is no estimate. Only who asks for a plan gets one: a start makes
    none."""
    optional: bool = False
    """True for a clean-up, such as the drop of a column: it is carried out only where it is allowed by name."""
    blocked: str = ""
    """Why rows or other objects do not allow the step, with count and example; '' where they do."""
    changes: tuple[str, ...] = ()
    """The differences one by one, in words; empty where ``change`` is the only one."""
    migrations: tuple[int, ...] = ()
    """Versions whose migration is complete with this step."""
    reads: str = ""
    """Columns of live rows that are read before the step, in words; '' for none."""
    read_bytes: int = 0
    """Compressed size of those columns, in bytes."""
    unlooked: tuple[str, ...] = ()
    """What these reads would have shown, where no row was read; empty where rows were read."""
    behind: str = ""
    """Label of the pending script that may change these rows: they are counted once it has run. '' for none."""
    allowed: tuple[str, ...] = ()
    """Keys of its hazards that the migrations of this transition allow."""
    seconds_range: tuple[float, float] | None = None
    """The shortest and the longest duration that is expected, in seconds; None as for ``seconds``."""
    seconds_from: str = ""
    """What the estimate comes from: 'measured' on a sample of the rows, 'remembered' from earlier runs, 'assumed' of an
    ordinary server, 'statements' where no row is read; '' for none."""
    room: Room | None = None
    """Room that it takes on disks; None where it takes none, and where there is no estimate."""
    expiring: int | None = None
    """Rows that the new TTL deletes, or of which that of a column clears values, as soon as it is there; None where no
    TTL changes, or they were not counted."""
    took: float | None = None
    """Seconds that it took, in a plan that was carried out; None in any other."""
    diff: tuple[str, ...] = ()
    """Where the query of a view changes: its lines that differ, with ``-`` and ``+`` in front; empty else."""
    uncounted: str = ""
    """Why rows that a new TTL deletes, combines or clears are not in ``expiring``; '' where all of them are."""
    reaches: int = 0
    """The version that its table is at behind it, where several versions lead there and would say more of the rows that
    come then; 0 for any other step."""

    def __post_init__(self) -> None:
        # The one place through which all of it goes that is printed, written to a file or recorded: whatever makes a
        # step, no text for people holds a secret. What is sent is in the work.
        for name, shown_text in (
            ("change", without_secrets(self.change)),
            ("sql", [without_secrets(statement) for statement in self.sql]),
            ("blocked", without_secrets(self.blocked)),
            ("changes", tuple(map(without_secrets, self.changes))),
            ("diff", tuple(map(without_secrets, self.diff))),
            ("hazards", hidden_texts(self.hazards)),
        ):
            object.__setattr__(self, name, shown_text)

    @property
    def differences(self) -> tuple[str, ...]:
        """The differences that the step removes, each with the object's name in front."""
        return tuple(f"{self.object}: {change}" for change in self.changes or (self.change,))

    @property
    def destructive(self) -> bool:
        """True where a hazard loses rows or changes values."""
        return any(hazard.destructive for hazard in self.hazards)


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps from the live database to the declared schema."""

    schema: str
    """Name of the schema."""
    database: str
    """Name of the database."""
    from_version: int | None
    """The live version; 0 for an empty database, None where nothing is recorded or recognised."""
    to_version: int | None
    """The declared version; None for a declaration without one."""
    steps: tuple[Step, ...]
    """The steps, in the order in which they are carried out."""
    basis: str
    """Digest of the live definitions that the plan was made for."""
    fingerprint: str
    """Digest of the declaration."""
    notes: tuple[str, ...] = ()
    """Differences that are reported and left alone: columns and settings that nobody declared, unsupported objects."""
    advisory: bool = False
    """True where it was rehearsed on another engine: the server may decide differently."""
    format: int = PLAN_FORMAT
    """Version of the JSON format."""
    library: str = ""
    """Version of aaiclick that made it; '' where it did not say so."""
    seal: str = field(default="", compare=False)
    """In JSON a digest of the rest, by which an edited file is known; '' in a plan that was not read, and in one of an
    earlier release."""

    @property
    def required(self) -> tuple[Step, ...]:
        """The steps without which the database is not at the declared version."""
        return tuple(step for step in self.steps if not step.optional)

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """All hazards, in the order of the steps."""
        return tuple(hazard for step in self.steps for hazard in step.hazards)

    def differences(self, order: Sequence[str]) -> tuple[str, ...]:
        """What has to change, one sentence each. Objects are in the given order; those that are not in it come last."""
        place = {name: index for index, name in enumerate(order)}
        steps = sorted(self.required, key=lambda step: place.get(step.object, len(place)))
        return tuple(words for step in steps for words in step.differences)

    @property
    def in_sync(self) -> bool:
        """True where no step is required."""
        return not self.required

    @property
    def recorded(self) -> bool:
        """False where carrying it out records another version than the live one, even if no step is required."""
        return self.to_version is None or (self.from_version is not None and self.from_version >= self.to_version)

    def to_json(self) -> str:
        """JSON that ``from_json`` reads back, with a seal. A secret stands as ``[HIDDEN]`` in it, or its statement is
        left out."""
        bare = replace(self, steps=tuple(step_without_secrets(step) for step in self.steps), seal="")
        sealed = replace(bare, seal=plan_seal(_plan().dump_json(bare).decode()))
        return _plan().dump_json(sealed, indent=2).decode()

    @staticmethod
    def from_json(text: str) -> Plan:
        """The plan that ``to_json`` wrote. Raises ``UsageError`` for any other text, and for a plan that was edited."""
        try:
            plan = _plan().validate_json(text)
        except (ValidationError, RecursionError) as error:
            raise UsageError(f"this is no plan: {_why(error)}") from None
        # Of the text, not of the plan that was read: fields that this release does not know count, too.
        if plan.seal and plan.format == PLAN_FORMAT and plan.seal != plan_seal(text):
            raise UsageError("the plan was edited after it was made: what it says is not what would be carried out")
        return plan

    def __str__(self) -> str:
        return plan_text(self)


def step_without_secrets(step: Step) -> Step:
    """The step with ``[HIDDEN]`` for each secret in what it sends."""
    match step.work:
        case CreateWork(secret=True):
            return replace(step, work=replace(step.work, sql=""))
        case ReplaceWork(secret=True):
            return replace(step, work=replace(step.work, statements=(), trial=""))
        case _:
            work = hidden_texts(step.work)
            return step if work is step.work else replace(step, work=work)


def _why(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    found = error.errors(include_url=False, include_context=False, include_input=False)
    first = found[0]
    where = ".".join(str(part) for part in first["loc"][:4])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{where}: {first['msg']}{more}" if where else f"{first['msg']}{more}"


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
    """One step for people: a heading, its hazards, its SQL."""
    cost = f", {rows_text(step.rows)}, {size_text(step.bytes)}" if step.rows else ""
    heading = (
        [f"-- {step.object}: {step.change}"]
        if len(step.changes) < 2
        else [f"-- {step.object}:", *(f"--   - {change}" for change in step.changes)]
    )
    heading += [f"--   | {line}" for line in step.diff]
    lines = [*heading, f"--   strategy: {step.strategy}{cost}{' (only if allowed by name)' if step.optional else ''}"]
    if step.unlooked and step.behind:
        lines.append(f"--   counted once its turn comes, after {step.behind}: {'; '.join(step.unlooked)}")
    elif step.unlooked:
        lines.append(f"--   not looked at: {'; '.join(step.unlooked)}")
    elif step.read_bytes >= WORTH_SAYING:
        lines.append(f"--   reads {step.reads} first ({size_text(step.read_bytes)})")
    lines += [f"--   {line}" for line in cost_lines(step)]
    if step.blocked:
        lines.append(f"--   BLOCKED: {step.blocked}")
    for hazard in step.hazards:
        allow = f" [{allow_flag(hazard.allow)}]" if hazard.allow else ""
        if hazard.allow in step.allowed:
            allow = " [allowed by the migration]"
        lines.append(f"--   {hazard.kind}: {hazard.message}{allow}")
    # A comment ends with its line: a name must not go on as a statement.
    lines = [shown(line) for line in lines]
    for statement in step.sql:
        lines.append(shown_lines(statement) if statement.startswith("--") else f"{shown_sql(statement)};")
    return "\n".join(lines)


_FROM = {
    "measured": "measured on a sample of the rows",
    "remembered": "as earlier runs here took",
    "assumed": "as on an ordinary server",
}


def cost_lines(step: Step) -> list[str]:
    """What the step costs, where that is worth saying: a second, a MiB, a row that is deleted."""
    lines: list[str] = []
    if step.seconds_range is not None and step.bytes >= WORTH_SAYING:
        lines.append(f"takes {range_text(*step.seconds_range)} ({_FROM.get(step.seconds_from, step.seconds_from)})")
    if step.room is not None and max(step.room.bytes, step.room.kept_bytes) >= WORTH_SAYING:
        lines.append(_room_text(step.room, step.strategy))
    if step.expiring:
        rows, them = ("1 row is", "it") if step.expiring == 1 else (f"{step.expiring:,} rows are", "them")
        lines.append(f"{rows} past the new TTL already: this step or the next merge {_expires(step, them)}")
    if step.uncounted:
        lines.append(f"rows that are past the new TTL already are not counted: {step.uncounted}")
    return lines


def _expires(step: Step, them: str) -> str:
    name = f"change-ttl {step.object}"
    columns = sorted(key[len(name) + 1 :] for hazard in step.hazards if (key := hazard.allow).startswith(f"{name}."))
    if not columns:
        return f"deletes {them}"
    clears = f"makes {'its' if them == 'it' else 'their'} {', '.join(columns)} the default"
    return f"deletes {them}, or {clears}" if any(hazard.allow == name for hazard in step.hazards) else clears


def _room_text(room: Room, strategy: str) -> str:
    where = f" on {'disks' if ', ' in room.disk else 'disk'} {room.disk}" if room.disk else " on its disk"
    size, time = size_text(room.kept_bytes), seconds_text(room.kept_seconds)
    if not room.bytes:
        return f"needs no room at once, and up to {size}{where} within {time}, while the old table is kept"
    text = f"needs {size_text(room.bytes)} free{where}"
    if room.free is not None:
        enough = room.free >= room.bytes
        text += f" ({size_text(room.free)} {'is' if enough else 'IS ALL THAT IS'} free now)"
    if not room.kept_bytes:
        return text
    return f"{text}; {size} stay taken for {time}, {_KEPT.get(strategy, 'while the old table is kept')}"


_KEPT = {"mutate": "until the server drops the old parts"}


def plan_text(plan: Plan) -> str:
    """The whole plan for people."""
    to = f"v{plan.to_version}" if plan.to_version is not None else "the declared state"
    head = shown(f"-- {plan.schema} in database {plan.database}: {version_text(plan.from_version)} -> {to}")
    if not plan.steps:
        head += "\n-- nothing to do"
    if plan.advisory:
        head += "\n-- advisory: rehearsed on another engine, the server may decide differently"
    notes = "\n".join(shown(f"-- note: {note}") for note in plan.notes)
    return "\n\n".join(part for part in (head, *(step_text(step) for step in plan.steps), notes) if part)
