"""Effects and the two drivers that carry them out.

All logic that talks to a database is a *routine*: a generator that yields frozen effects and is sent their results.
``run`` and ``run_async`` alone do I/O, so sync and async cannot drift apart, and a crash can be played at each effect.
No ``yield`` inside ``finally`` (a killed generator could not finish it); no clock and no chance but as an effect.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias, TypeVar, cast

from aaiclick.errors import StatementError
from aaiclick.events import FIGURES_WANTED, Event
from aaiclick.memory_limit import smaller_blocks
from aaiclick.migration_function import MigrationFunction, Reply, Row, Rows, Scalar, ShownStatement, scalar_rows
from aaiclick.peers import Peer, require_peers
from aaiclick.processes import is_gone
from aaiclick.second_connection import Watch, watched
from aaiclick.sql.quoting import sendable

__all__ = ["Peer", "Reply", "Row", "Rows", "Scalar", "scalar_rows"]  # and what is defined here


@dataclass(frozen=True, slots=True)
class Beside:
    """What a driver does on a second connection while a statement runs: ``step`` after ``first`` seconds, then each
    time after the seconds that it answered with. LeaseLostError ends it; after any other error it is tried again."""

    first: float
    step: Callable[[], Routine[float]]


@dataclass(frozen=True, slots=True, repr=False)
class Query(ShownStatement):
    """A statement that answers with rows of String, integer, Float64 and Nullable columns."""

    sql: str
    """Its text. It is asked again in smaller blocks where the server has not the memory."""
    parameters: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    """Query parameters by name."""
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    """Settings by name, for this statement only."""
    long: bool = False
    """It may run for minutes."""
    beside: Beside | None = None
    """What has to be done while it runs; None: nothing."""
    bare: bool = False
    """Sent with the caller's own settings (``clients/settings.py``): only believed where it says that all is well."""
    at: Peer | None = None
    """The host that it is for; None: the one that the connection leads to."""
    database: str | None = None
    """Current database for this one statement; None: the connection's own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sql", sendable(self.sql))


@dataclass(frozen=True, slots=True, repr=False)
class Command(ShownStatement):
    """A statement without rows (DDL, INSERT SELECT, SYSTEM ...)."""

    sql: str
    """Its text."""
    parameters: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    """Query parameters by name."""
    settings: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    """Settings by name, for this statement only."""
    database: str | None = None
    """Current database for this one statement; None: the connection's own."""
    long: bool = False
    """It may run for minutes."""
    beside: Beside | None = None
    """What has to be done while it runs; None: nothing."""
    at: Peer | None = None
    """The host that it is for; None: the one that the connection leads to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sql", sendable(self.sql))


class Interruption(BaseException):
    """Ctrl-C, ``sys.exit`` in a signal handler or a cancelled task, as a routine sees it: it has a few seconds to let
    go of what others wait for, then it is closed. No ``except Exception`` catches it."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Clock:
    """Ask for the wall clock: answers with ``((unix_seconds: float,),)``."""


@dataclass(frozen=True, slots=True)
class Nonce:
    """Ask for a fresh random name part: answers with ``((12 lower-case hex digits,),)``. ``signed``: under a lease the
    holder's nonce follows, so that whoever finds the name knows whose it was."""

    signed: bool = False


@dataclass(frozen=True, slots=True)
class ProcessGone:
    """Ask this machine whether the process with this number that began then has certainly ended: ``((0 or 1,),)``."""

    pid: int
    began: str


@dataclass(frozen=True, slots=True)
class WhereKept:
    """Ask where what this library writes down of a database is kept. No rows: in the database itself, by the server
    that is asked; ``clickhouse/shared/bookkeeping.py`` answers for a cluster. No statement."""

    database: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell whoever watches; answers with no rows, or with one where they want figures that cost a statement."""

    event: Event


@dataclass(frozen=True, slots=True)
class Call:
    """Let a function of the user go on: answers with its next request. ``reply`` answers the one before: rows, an error
    that is raised inside the function, or None. An error of the function is thrown into the routine like that of a
    statement."""

    function: MigrationFunction
    reply: Reply = None
    seconds: float = 5.0


Effect: TypeAlias = Query | Command | Sleep | Clock | Nonce | ProcessGone | WhereKept | Emit | Call
T = TypeVar("T")
Routine: TypeAlias = Generator[Effect, Rows, T]
OnEvent: TypeAlias = Callable[[Event], object]


class Connection(Protocol):
    """What a sync client has to offer; errors are ``aaiclick.errors.StatementError`` or ``ConnectionFailed``.
    ``embedded``: an engine inside this process; ``identity`` names the server or data directory, never with a
    password."""

    @property
    def embedded(self) -> bool: ...

    @property
    def identity(self) -> str: ...

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


def _answer(effect: Sleep | Clock | Nonce | ProcessGone | WhereKept | Emit, on_event: OnEvent | None) -> Rows:
    match effect:
        case Sleep() | WhereKept():
            return ()
        case Clock():
            return ((time.time(),),)
        case Nonce():
            return ((secrets.token_hex(6),),)
        case ProcessGone(pid, began):
            return ((int(is_gone(pid, began)),),)
        case Emit(event):
            wanted = on_event(event) if on_event is not None else None
            return ((1,),) if wanted is FIGURES_WANTED else ()


WIND_DOWN = 5.0
"""Seconds that an interrupted routine has."""


def run(routine: Routine[T], connection: Connection, on_event: OnEvent | None = None) -> T:
    """Carry a routine out. Errors of a statement are thrown into it; Ctrl-C and ``sys.exit`` as ``Interruption``."""
    try:
        return _drive(routine, partial(next, routine), connection, on_event)
    except (KeyboardInterrupt, SystemExit):
        # Ctrl-C, or what an application's handler of SIGTERM raises; raised inside of the routine, that has wound down.
        _wind_down(routine, connection, on_event)
        raise
    finally:
        routine.close()


def _drive(
    routine: Routine[T],
    begin: Callable[[], Effect],
    connection: Connection,
    on_event: OnEvent | None,
    until: float = float("inf"),
) -> T:
    try:
        effect = begin()
        while time.monotonic() < until:
            try:
                rows = _carry_out(effect, connection, on_event)
            except Exception as error:
                effect = routine.throw(error)
            else:
                effect = routine.send(rows)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise TimeoutError


def _asked(effect: Query, connection: Connection) -> Rows:
    while True:
        try:
            return scalar_rows(connection.query(effect))
        except StatementError as error:
            effect = replace(effect, settings=smaller_blocks(effect.settings, error), bare=False)


async def _asked_async(effect: Query, connection: AsyncConnection) -> Rows:
    while True:
        try:
            return scalar_rows(await connection.query(effect))
        except StatementError as error:
            effect = replace(effect, settings=smaller_blocks(effect.settings, error), bare=False)


def _carry_out(effect: Effect, connection: Connection, on_event: OnEvent | None) -> Rows:
    if isinstance(effect, Query | Command):
        require_peers(effect.at, connection)
        with Watch(connection, effect.beside, run, WIND_DOWN):
            if isinstance(effect, Query):
                return _asked(effect, connection)
            connection.command(effect)
        return ()
    if isinstance(effect, Call):
        return effect.function.step(effect.reply, effect.seconds)
    if isinstance(effect, Sleep):
        time.sleep(effect.seconds)
    return _answer(effect, on_event)


def _wind_down(routine: Routine[T], connection: Connection, on_event: OnEvent | None) -> None:
    """Whatever goes wrong here is left to the next run."""
    second: Connection | None = None
    # On a server an interrupted statement may still run, and hold the session of its connection.
    with suppress(Exception):
        second = (
            None if connection.embedded else cast("Connection | None", getattr(connection, "sibling", lambda: None)())
        )
    begin, until = partial(routine.throw, Interruption()), time.monotonic() + WIND_DOWN
    try:
        with suppress(Exception, Interruption):
            _drive(routine, begin, second or connection, on_event, until)
    finally:
        if second is not None:
            with suppress(Exception):
                second.close()


async def run_async(routine: Routine[T], connection: AsyncConnection, on_event: OnEvent | None = None) -> T:
    """The async twin of ``run``; a cancellation is an ``Interruption``."""
    try:
        return await _drive_async(routine, partial(next, routine), connection, on_event)
    except (KeyboardInterrupt, SystemExit, asyncio.CancelledError):
        with suppress(Exception):
            await asyncio.wait_for(_wind_down_async(routine, connection, on_event), WIND_DOWN)
        raise
    finally:
        routine.close()


async def _drive_async(
    routine: Routine[T], begin: Callable[[], Effect], connection: AsyncConnection, on_event: OnEvent | None
) -> T:
    try:
        effect = begin()
        while True:
            try:
                rows = await _carry_out_async(effect, connection, on_event)
            except Exception as error:
                effect = routine.throw(error)
            else:
                effect = routine.send(rows)
    except StopIteration as stop:
        return cast("T", stop.value)


async def _carry_out_async(effect: Effect, connection: AsyncConnection, on_event: OnEvent | None) -> Rows:
    require_peers(effect.at if isinstance(effect, Query | Command) else None, connection)
    if isinstance(effect, Query):
        return await watched(_asked_async(effect, connection), connection, effect.beside, run_async)
    if isinstance(effect, Command):
        await watched(connection.command(effect), connection, effect.beside, run_async)
        return ()
    if isinstance(effect, Call):
        return await effect.function.step_async(effect.reply, effect.seconds)
    if isinstance(effect, Sleep):
        await asyncio.sleep(effect.seconds)
    return _answer(effect, on_event)


async def _wind_down_async(routine: Routine[T], connection: AsyncConnection, on_event: OnEvent | None) -> None:
    # A cancelled statement may still run on its connection: what is left to say goes over a second one.
    opening = cast("Callable[[], AsyncConnection | None] | None", getattr(connection, "sibling", None))
    second = opening() if opening is not None else None
    try:
        with suppress(Interruption):
            await _drive_async(routine, partial(routine.throw, Interruption()), second or connection, on_event)
    finally:
        if second is not None:
            await second.close()


def text(value: Scalar) -> str:
    """A selected String; NULL counts as empty."""
    return "" if value is None else str(value)


def number(value: Scalar) -> int:
    """A selected integer; NULL counts as zero. HTTP formats may carry UInt64 as text."""
    return 0 if value is None else int(value)


def flag(value: Scalar) -> bool:
    """A selected UInt8 or Bool."""
    return value in (1, True, "1", "true")
