"""What a run reports to ``on_event=``: plain data, one class for each kind of event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

INTERRUPTED = "interrupted: nothing is lost, the next run goes on from here"
"""The note of a run that was stopped by a signal, or cancelled."""


@dataclass(frozen=True, slots=True)
class PlanReady:
    """A plan was made and passed the gate; ``steps`` counts what will be carried out, ``rows`` what has to be
    copied."""

    schema: str
    steps: int
    rows: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins."""

    index: int
    """Number of the step, from 1."""
    total: int
    """How many steps there are."""
    object: str
    """Name of the table, view or dictionary."""
    change: str
    """What is done to it, in words."""
    strategy: str
    """How: 'alter', 'rebuild', ..."""
    rows: int
    """Rows that have to be copied or rewritten; 0: only metadata changes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step has come."""

    object: str
    """Name of the table."""
    phase: str
    """What is counted: 'copy', 'backfill', 'move' in rows, 'mutation' in parts, ..."""
    done: int
    """How much is done."""
    total: int
    """How much there is in all."""
    seconds: float
    """Seconds since this phase began."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step ended well."""

    index: int
    """Number of the step, from 1."""
    total: int
    """How many steps there are."""
    object: str
    """Name of the table, view or dictionary."""
    strategy: str
    """How: 'alter', 'rebuild', ..."""
    rows: int
    """Rows that were copied or attached; 0: only metadata changed."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run waits for someone else: another process that migrates, inserts that are still running, a mutation.

    ``seconds``: for how long already; ``ends``: when it is over at the latest, as far as somebody can tell."""

    what: str
    seconds: float
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence that an operator should read."""

    text: str
    level: str = "info"


Event: TypeAlias = PlanReady | StepStarted | Progress | StepDone | Waiting | Note
