"""A plan as data: printable SQL, JSON that round-trips, nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeAlias

from pydantic import TypeAdapter

from aaiclick.plan.hazards import Hazard
from aaiclick.plan.work import CreateWork, ReplaceWork, Work

Strategy: TypeAlias = Literal["create", "alter", "mutate", "attach", "rebuild", "replace", "backfill", "drop", "sql", "callable"]
PLAN_FORMAT = 1


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
        from aaiclick.plan.render import plan_text

        return plan_text(self)


def _without_secrets(step: Step) -> Step:
    match step.work:
        case CreateWork(secret=True):
            return replace(step, work=replace(step.work, sql=""))
        case ReplaceWork(secret=True):
            return replace(step, work=replace(step.work, statements=()))
        case _:
            return step


@cache
def _plan() -> TypeAdapter[Plan]:
    # Built on first use: a start with nothing to do has none.
    return TypeAdapter(Plan)
