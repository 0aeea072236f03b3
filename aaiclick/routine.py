"""Effects and the two drivers that carry them out.

All logic that talks to a database is a *routine*: a generator that yields frozen effects and is sent their
results. ``run`` and ``run_async`` are the only places where I/O happens, so sync and async cannot drift apart,
every routine can be tested with a scripted connection, and a crash before or after the N-th effect can be
simulated for every N.

Two rules that the tests enforce: no ``yield`` inside ``finally`` (a killed generator could not finish it), and
nothing below this module reads the clock or draws random numbers (``Clock`` and ``Nonce`` are effects).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar, cast

from aaiclick.events import Event

Scalar: TypeAlias = str | int | float | bool | None
Row: TypeAlias = tuple[Scalar, ...]
Rows: TypeAlias = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that answers with rows. Every selected column is a String, an integer, a Float64 or a Nullable of these."""

    sql: str
    parameters: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])


@dataclass(frozen=True, slots=True)
class Command:
    """A statement without rows (DDL, INSERT SELECT, SYSTEM ...).

    ``database`` is the current database for this one statement (None: the connection's own).
    ``long`` marks statements that may run for minutes: a driver may do other work beside them.
    """

    sql: str
    parameters: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    database: str | None = None
    long: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Clock:
    """Ask for the wall clock: answers with ``((unix_seconds: float,),)``."""


@dataclass(frozen=True, slots=True)
class Nonce:
    """Ask for a fresh random name part: answers with ``((12 lower-case hex digits,),)``."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell whoever watches; answers with no rows."""

    event: Event


Effect: TypeAlias = Query | Command | Sleep | Clock | Nonce | Emit
T = TypeVar("T")
Routine: TypeAlias = Generator[Effect, Rows, T]
OnEvent: TypeAlias = Callable[[Event], object]


class Connection(Protocol):
    """What a sync client has to offer; errors are ``aaiclick.errors.StatementError`` or ``ConnectionFailed``."""

    @property
    def embedded(self) -> bool:
        """True for an engine inside this process."""
        ...

    @property
    def identity(self) -> str:
        """Names the server or data directory, never with a password."""
        ...

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]: ...

    def command(self, effect: Command, /) -> None: ...

    def close(self) -> None:
        """Closes what this library opened; a client that was handed in stays open."""
        ...


class AsyncConnection(Protocol):
    """The same with awaitables."""

    @property
    def embedded(self) -> bool: ...

    @property
    def identity(self) -> str: ...

    async def query(self, effect: Query, /) -> Sequence[Sequence[object]]: ...

    async def command(self, effect: Command, /) -> None: ...

    async def close(self) -> None: ...


def scalar_rows(raw: Sequence[Sequence[object]]) -> Rows:
    """Rows as the routines see them: tuples of plain scalars; bytes are decoded, anything else becomes its text."""
    return tuple(tuple(_scalar(value) for value in row) for row in raw)


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape").rstrip("\0")
    return str(value)


def _answer(effect: Sleep | Clock | Nonce | Emit, on_event: OnEvent | None) -> Rows:
    match effect:
        case Sleep():
            return ()
        case Clock():
            return ((time.time(),),)
        case Nonce():
            return ((secrets.token_hex(6),),)
        case Emit(event):
            if on_event is not None:
                on_event(event)
            return ()


def run(routine: Routine[T], connection: Connection, on_event: OnEvent | None = None) -> T:
    """Carry a routine out on a sync connection. Errors of a statement are thrown into the routine; interrupts are not."""
    failure: Exception | None = None
    try:
        effect = next(routine)
        while True:
            rows: Rows = ()
            failure = None
            try:
                if isinstance(effect, Query):
                    rows = scalar_rows(connection.query(effect))
                elif isinstance(effect, Command):
                    connection.command(effect)
                else:
                    if isinstance(effect, Sleep):
                        time.sleep(effect.seconds)
                    rows = _answer(effect, on_event)
            except Exception as error:
                failure = error
            effect = routine.send(rows) if failure is None else routine.throw(failure)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        routine.close()


async def run_async(routine: Routine[T], connection: AsyncConnection, on_event: OnEvent | None = None) -> T:
    """The async twin of ``run``; a cancellation is not thrown into the routine, it counts as a kill."""
    failure: Exception | None = None
    try:
        effect = next(routine)
        while True:
            rows: Rows = ()
            failure = None
            try:
                if isinstance(effect, Query):
                    rows = scalar_rows(await connection.query(effect))
                elif isinstance(effect, Command):
                    await connection.command(effect)
                else:
                    if isinstance(effect, Sleep):
                        await asyncio.sleep(effect.seconds)
                    rows = _answer(effect, on_event)
            except Exception as error:
                failure = error
            effect = routine.send(rows) if failure is None else routine.throw(failure)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        routine.close()


def text(value: Scalar) -> str:
    """A selected String; NULL counts as empty."""
    return "" if value is None else str(value)


def number(value: Scalar) -> int:
    """A selected integer; NULL counts as zero. HTTP formats may carry UInt64 as text."""
    return 0 if value is None else int(value)


def flag(value: Scalar) -> bool:
    """A selected UInt8 or Bool."""
    return value in (1, True, "1", "true")
