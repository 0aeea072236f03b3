"""Waits with growing pauses until something has happened."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.events import Waiting
from aaiclick.routine import Emit, Routine, Sleep


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait with growing pauses, all in seconds.

    ``pause``: until the next check; each is twice the one before, up to ``longest``. ``waited``: all pauses so far.
    """

    pause: float
    longest: float
    waited: float = 0.0


def rest(wait: Wait, what: str = "") -> Routine[Wait]:
    """Say what is waited for, where there is something to say, and sleep until the next look."""
    if what:
        yield Emit(Waiting(what, wait.waited))
    yield Sleep(wait.pause)
    return Wait(min(2 * wait.pause, wait.longest), wait.longest, wait.waited + wait.pause)
