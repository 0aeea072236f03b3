"""A small connection on a chdb session, and a driver that can be stopped after any effect and told what time it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from aaiclick.errors import StatementError
from aaiclick.events import Event
from aaiclick.processes import is_gone
from aaiclick.routine import (
    Clock,
    Command,
    Effect,
    Emit,
    Nonce,
    ProcessGone,
    Query,
    Routine,
    Rows,
    Sleep,
    WhereKept,
    scalar_rows,
)

T = TypeVar("T")
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: (.*) \((\w+)\)", re.DOTALL)


class SessionConnection:
    """One session on the engine of this process; every thread needs its own."""

    def __init__(self, path: str) -> None:
        from chdb.session import Session

        self._session: Any = Session(path)
        self._settings: dict[str, str | int] = {}

    @property
    def embedded(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return "chdb"

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        answer = self._run(effect, "JSONCompactEachRow")
        return [cast("list[object]", json.loads(line)) for line in answer.splitlines() if line]

    def command(self, effect: Command, /) -> None:
        self._run(effect, "JSONCompactEachRow")

    def close(self) -> None:
        self._session.close()

    def rows(self, sql: str) -> Rows:
        return scalar_rows(self.query(Query(sql)))

    def tables(self, database: str) -> set[str]:
        names = self.query(
            Query("SELECT name FROM system.tables WHERE database = unhex({d:String})", {"d": database.encode().hex()})
        )
        return {str(row[0]) for row in names}

    def _run(self, effect: Query | Command, form: str) -> str:
        try:
            for name, value in effect.settings.items():
                if self._settings.get(name) != value:
                    self._session.query(f"SET {name} = {value}")
                    self._settings[name] = value
            bound = {name: str(value) for name, value in effect.parameters.items()}
            # The text, not the parsed answer: a result without rows has no data().
            return str(self._session.query(effect.sql, form, params=bound).bytes().decode())
        except RuntimeError as error:
            found = _CODE.search(str(error))
            raise StatementError(
                found[2] if found else str(error), int(found[1]) if found else 0, found[3] if found else "", effect.sql
            ) from error


@contextmanager
def session(path: str) -> Iterator[SessionConnection]:
    connection = SessionConnection(path)
    try:
        yield connection
    finally:
        connection.close()


class KilledError(BaseException):
    """The driver stops dead, as a killed process does: the routine is not told."""


class Driver:
    """Carries routines out, one effect after the other, and remembers them.

    ``stop_after``: raise KilledError once so many effects were carried out (their answers are not delivered).
    ``clock``: the Unix time that ``Clock`` answers with, advanced by every ``Sleep`` instead of sleeping; None: the
    real one. ``before``: called with each effect; may raise, and then its error takes the place of the answer.
    """

    def __init__(
        self,
        connection: SessionConnection,
        *,
        stop_after: int | None = None,
        clock: float | None = None,
        before: Callable[[Effect], object] | None = None,
    ) -> None:
        self.connection = connection
        self.stop_after = stop_after
        self.clock = clock
        self.before = before
        self.effects: list[Effect] = []
        self.events: list[Event] = []
        self._nonces = 0

    def run(self, routine: Routine[T]) -> T:
        return self.resume(routine)

    def resume(self, routine: Routine[T], effect: Effect | None = None) -> T:
        try:
            if effect is None:
                effect = next(routine)
            while True:
                effect = self.step(routine, effect)
        except StopIteration as stop:
            return cast("T", stop.value)
        except KilledError:
            routine.close()
            raise

    def until(self, routine: Routine[Any], reached: Callable[[Effect], bool]) -> Effect:
        """Run up to the first such effect, which is not carried out."""
        effect = next(routine)
        while not reached(effect):
            effect = self.step(routine, effect)
        return effect

    def step(self, routine: Routine[Any], effect: Effect) -> Effect:
        """Carry one effect out; the next one."""
        try:
            rows = self._answer(effect)
        except Exception as error:
            return routine.throw(error)
        return routine.send(rows)

    @property
    def statements(self) -> list[str]:
        return [effect.sql for effect in self.effects if isinstance(effect, Query | Command)]

    def _answer(self, effect: Effect) -> Rows:
        if isinstance(effect, WhereKept):
            return ()  # nothing is sent
        self.effects.append(effect)
        if self.before is not None:
            self.before(effect)
        rows = self._carry_out(effect)
        if self.stop_after is not None and len(self.effects) >= self.stop_after:
            raise KilledError
        return rows

    def _carry_out(self, effect: Effect) -> Rows:
        match effect:
            case Query():
                return scalar_rows(self.connection.query(effect))
            case Command():
                self.connection.command(effect)
            case Sleep(seconds):
                if self.clock is None:
                    time.sleep(seconds)
                else:
                    self.clock += seconds
            case Clock():
                return ((time.time() if self.clock is None else self.clock,),)
            case Nonce():
                self._nonces += 1
                return ((f"{id(self) & 0xFFFFFFFF:08x}{time.monotonic_ns() & 0xFFFF:04x}{self._nonces:x}",),)
            case ProcessGone(pid, began):
                return ((int(is_gone(pid, began)),),)
            case Emit(event):
                self.events.append(event)
        return ()
