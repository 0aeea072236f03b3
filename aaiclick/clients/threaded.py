"""An ``AsyncConnection`` over a sync one: its statements run in a worker thread, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from aaiclick.routine import Command, Connection, Query

T = TypeVar("T")


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
        await self._run(self._connection.close)

    async def _run(self, work: Callable[[], T]) -> T:
        def locked() -> T:
            with self._lock:
                return work()

        return await asyncio.to_thread(locked)
