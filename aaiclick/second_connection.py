"""What the drivers do on a second connection while a long statement runs: the lease is renewed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Generic, Protocol, TypeVar, cast

from aaiclick.errors import LeaseLostError


class _Closing(Protocol):
    def close(self) -> None: ...


class _AsyncClosing(Protocol):
    async def close(self) -> None: ...


T = TypeVar("T")
Step = TypeVar("Step")
Step_co = TypeVar("Step_co", covariant=True)
Second = TypeVar("Second", bound=_Closing)
AsyncSecond = TypeVar("AsyncSecond", bound=_AsyncClosing)


class Besides(Protocol[Step_co]):
    """``Beside`` of the routines: a step and how many seconds come before the first one."""

    @property
    def first(self) -> float: ...

    @property
    def step(self) -> Callable[[], Step_co]: ...


class Watch(Generic[Step, Second]):
    """Carries ``beside`` out in a thread, on a second connection, until the statement has ended. ``patience``: seconds
    that the thread gets to end."""

    def __init__(
        self,
        connection: Second,
        beside: Besides[Step] | None,
        run: Callable[[Step, Second], float],
        patience: float,
    ) -> None:
        self._open = cast("Callable[[], Second | None] | None", getattr(connection, "sibling", None))
        self._beside = beside
        self._run = run
        self._patience = patience
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if self._beside is not None and self._open is not None:
            self._thread = threading.Thread(
                target=self._watch, args=(self._beside, self._open), name="aaiclick-lease", daemon=True
            )
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._patience)

    def _watch(self, beside: Besides[Step], opening: Callable[[], Second | None]) -> None:
        wait, second = beside.first, None
        try:
            while not self._ended.wait(wait):
                try:
                    second = second or opening()
                    if second is None:
                        return
                    wait = self._run(beside.step(), second)
                except LeaseLostError:
                    return
                except Exception:  # noqa: S112 - left to the next step, as Beside says
                    continue
        finally:
            if second is not None:
                second.close()


async def watched(
    statement: Awaitable[T],
    connection: AsyncSecond,
    beside: Besides[Step] | None,
    run: Callable[[Step, AsyncSecond], Awaitable[float]],
) -> T:
    """Await a statement; ``beside`` is carried out in a task on a second connection meanwhile."""
    opening = cast("Callable[[], AsyncSecond | None] | None", getattr(connection, "sibling", None))
    if beside is None or opening is None:
        return await statement
    task = asyncio.create_task(_watch_async(beside, opening, run))
    try:
        return await statement
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch_async(
    beside: Besides[Step],
    opening: Callable[[], AsyncSecond | None],
    run: Callable[[Step, AsyncSecond], Awaitable[float]],
) -> None:
    wait, second = beside.first, None
    try:
        while True:
            await asyncio.sleep(wait)
            try:
                second = second or opening()
                if second is None:
                    return
                wait = await run(beside.step(), second)
            except LeaseLostError:
                return
            except Exception:  # noqa: S112 - see Watch
                continue
    finally:
        if second is not None:
            await second.close()
