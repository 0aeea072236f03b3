"""An ``AsyncConnection`` over a sync one: its statements run in a worker thread, one at a time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from aaiclick.routine import Command, Connection, Query

T = TypeVar("T")
_PATIENCE = 1.0
"""Seconds that a statement which nobody waits for any more gets to end before its connection is closed."""


class SiblingSource(Connection, Protocol):
    """A sync connection that can open a second one beside itself."""

    def sibling(self) -> SiblingSource | None: ...


class ThreadedConnection:
    """Runs statements in a thread, so that the event loop goes on.

    The thread holds the lock, not the task. A cancelled task leaves its statement running, and the next one waits
    for its end, because a session runs one statement at a time.
    """

    def __init__(self, connection: SiblingSource) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @property
    def embedded(self) -> bool:
        return self._connection.embedded

    @property
    def identity(self) -> str:
        return self._connection.identity

    @property
    def reaches_peers(self) -> bool:
        """Whether statements for other hosts can be sent."""
        return bool(getattr(self._connection, "reaches_peers", False))

    async def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        return await self._run(lambda: self._connection.query(effect))

    async def command(self, effect: Command, /) -> None:
        await self._run(lambda: self._connection.command(effect))

    def sibling(self) -> ThreadedConnection | None:
        """A second connection for work beside a long statement, or None. The caller closes it."""
        beside = self._connection.sibling()
        return ThreadedConnection(beside) if beside is not None else None

    async def close(self) -> None:
        """Close the connection. A statement of a cancelled task may go on on the server for hours: it is not waited
        for, and the connection is closed when it has ended."""
        closing = asyncio.ensure_future(self._run(self._connection.close))
        # The embedded engine is in this process, and may not be left while a statement runs in it.
        await asyncio.wait({closing}, timeout=None if self.embedded else _PATIENCE)
        if closing.done():
            closing.result()
        else:
            closing.cancel()  # the thread goes on, and closes it

    async def _run(self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with self._lock:
                return work()

        return await (asyncio.to_thread(locked) if self.embedded else _in_thread(locked))


async def _in_thread(work: Callable[[], T]) -> T:
    """As ``asyncio.to_thread``, in a thread that the end of the loop and of the process does not wait for."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(give: Callable[[], object]) -> None:
        # Of a cancelled task, or where the loop has ended: nobody asks any more.
        if not answer.done():
            give()

    def body() -> None:
        try:
            value = context.run(work)
        except BaseException as error:
            failure = error
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, lambda: answer.set_exception(failure))
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, lambda: answer.set_result(value))

    threading.Thread(target=body, name="aaiclick-statement", daemon=True).start()
    return await answer
