"""What a run tells its watcher (``on_event=``): plain data, one class for each kind of news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

INTERRUPTED = "interrupted: nothing is lost, the next run goes on from here"
"""The note of a run that was stopped by a signal, or cancelled."""


@dataclass(frozen=True, slots=True)
class PlanReady:
    """A plan was made and passed the gate; ``steps`` counts what will be carried out, ``rows`` what has to be copied."""

    schema: str
    steps: int
    rows: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Step ``index`` (from 1) of ``total`` begins; ``rows`` is the number of rows it has to touch (0: metadata only)."""

    index: int
    total: int
    object: str
    change: str
    strategy: str
    rows: int


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` rows; ``seconds`` since the step began."""

    object: str
    phase: str
    done: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepDone:
    """Step ``index`` ended well; ``seconds`` it took."""

    index: int
    total: int
    object: str
    strategy: str
    rows: int
    seconds: float


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
