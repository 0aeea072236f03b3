"""A driver that stops dead: the routine is closed as a killed process leaves it, and nothing more is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from aaiclick.clients.opening import Opened
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.events import Event
from aaiclick.lease.owner import Owner, this_process
from aaiclick.plan.policy import Policy
from aaiclick.processes import is_gone
from aaiclick.routine import Clock, Command, Effect, Emit, Nonce, ProcessGone, Query, Routine, Rows, Sleep, scalar_rows
from aaiclick.specs.schema import Schema
from aaiclick.version import VERSION

T = TypeVar("T")
DEAD = Owner("somebody", "elsewhere", 1)
"""Whoever is killed: on an embedded engine a holder in another process is dead for certain, and is not waited for."""
LATER = 7200.0
"""Scratch databases of a killed run are removed once nobody can be using them: the run that comes after it is this many
seconds later."""


class KilledError(BaseException):
    """The process is gone."""


class Driver:
    """Carries routines out on a connection, and can be killed before its first command and after each.

    Only commands change anything, so these are all states that a kill before or after any effect can leave. The clock
    stands still but for the sleeps that are asked for: on a busy machine a renewal or a look at the lock would be due
    at another place each time. ``seen`` are the effects; ``later`` is added to the clock, ``before`` sees each effect
    first and may raise what its statement would have raised.
    """

    def __init__(
        self, connection: Opened, *, later: float = 0.0, before: Callable[[Effect], object] | None = None
    ) -> None:
        self.connection = connection
        self.later = later
        self.before = before
        self.now = time.time()
        self.seen: list[Effect] = []
        self.commands = 0
        self.events: list[Event] = []

    def run(self, routine: Routine[T], stop: int | None = None) -> T:
        """``stop``: killed when so many commands were carried out (0: just before the first one)."""
        try:
            effect = next(routine)
            while True:
                self.seen.append(effect)
                failure: Exception | None = None
                rows: Rows = ()
                if isinstance(effect, Command) and stop == 0:
                    raise KilledError
                try:
                    rows = self._answer(effect)
                except Exception as error:
                    failure = error
                if isinstance(effect, Command):
                    self.commands += 1
                    if stop == self.commands:
                        raise KilledError
                effect = routine.send(rows) if failure is None else routine.throw(failure)
        except StopIteration as end:
            return cast("T", end.value)
        except KilledError:
            routine.close()
            raise

    def _answer(self, effect: Effect) -> Rows:
        if self.before is not None:
            self.before(effect)
        match effect:
            case Query():
                return scalar_rows(self.connection.query(effect))
            case Command():
                self.connection.command(effect)
            case Sleep(seconds):
                rest = min(seconds, 0.05)
                time.sleep(rest)
                self.now += rest
            case Clock():
                return ((self.now + self.later,),)
            case Nonce():
                return ((f"{time.monotonic_ns():x}"[-12:].rjust(12, "0"),),)
            case ProcessGone(pid, began):
                return ((int(is_gone(pid, began)),),)
            case Emit(event):
                self.events.append(event)
        return ()


def ensuring(schema: Schema, database: str, policy: Policy, owner: Owner | None = None) -> Routine[Any]:
    """The routine behind ``ensure_schema`` on an embedded engine."""
    return ensure(Run(schema, database, policy, owner or this_process(), True, VERSION))
