"""An embedded engine in another process, for rehearsals that must not touch the server.

Statements that name a scratch object run there, all others on the server. The other process is a chdb with an HTTP
interface, so this process opens no engine (chdb can have one data directory in a process).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from aaiclick.clients.failures import NOT_INSTALLED
from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import ConnectionFailed
from aaiclick.routine import AsyncConnection, Command, Connection, Query

PATIENCE = 3.0
"""Seconds that the other process gets to end by itself."""
SERVER = ("-m", "aaiclick.engine_server.server", "--port", "0", "--path", ":memory:", "--with-parent")


@contextmanager
def temporary_engine() -> Generator[Opened, None, None]:
    """Start the engine, connect to it, and stop it at the end. Raises ``ConnectionFailed`` where it does not start."""
    with subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own
        [sys.executable, *SERVER],
        # It ends when this end of its stdin closes, so also where this process is killed.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            connection = open_url(_url(process.stdout.readline()))
            try:
                yield connection
            finally:
                connection.close()
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Stop it. It holds only scratch objects, so it is killed where it does not end by itself."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _url(line: str) -> str:
    """The address in the first line that the server prints: JSON, or the URL itself."""
    if not line.strip():
        raise ConnectionFailed("the embedded engine for the rehearsal did not start: is chdb installed?")
    if not line.lstrip().startswith("{"):
        return line.strip()
    said: dict[str, object] = json.loads(line)
    if "url" not in said:
        why = str(said.get("error", ""))
        missing = "No module named 'chdb'" in why
        raise ConnectionFailed(NOT_INSTALLED if missing else f"the embedded engine did not start: {why}")
    return str(said["url"])


S = TypeVar("S", Connection, AsyncConnection)


class _Split(Generic[S]):
    """Which engine gets a statement."""

    def __init__(self, server: S, other: Connection, is_scratch: Callable[[str], bool]) -> None:
        self._server: S = server
        self._other = other
        self._is_scratch = is_scratch

    @property
    def embedded(self) -> bool:
        return self._server.embedded

    @property
    def identity(self) -> str:
        return self._server.identity

    def _elsewhere(self, effect: Query | Command) -> bool:
        # A question about scratch may name it in a parameter only.
        texts = [effect.sql, *(str(value) for value in effect.parameters.values())]
        if effect.database:
            texts.append(effect.database)
        return any(self._is_scratch(text) for text in texts)


class SplitConnection(_Split[Connection]):
    """A connection whose scratch statements run on the other engine."""

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        return (self._other if self._elsewhere(effect) else self._server).query(effect)

    def command(self, effect: Command, /) -> None:
        (self._other if self._elsewhere(effect) else self._server).command(effect)

    def close(self) -> None:
        self._server.close()


class AsyncSplitConnection(_Split[AsyncConnection]):
    """The same for an async client. The other engine is called in this thread, because its statements take
    milliseconds."""

    async def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        if self._elsewhere(effect):
            return self._other.query(effect)
        return await self._server.query(effect)

    async def command(self, effect: Command, /) -> None:
        if self._elsewhere(effect):
            self._other.command(effect)
        else:
            await self._server.command(effect)

    async def close(self) -> None:
        await self._server.close()
