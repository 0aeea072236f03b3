"""An embedded engine in another process, for rehearsals that must leave the server alone.

Statements that name a scratch object go there, everything else to the server. The other process is an ordinary chdb behind the HTTP
interface, so this one opens no engine of its own (one data directory per process is all that chdb can have).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from aaiclick.clients.opening import Opened, open_url
from aaiclick.errors import ConnectionFailed
from aaiclick.routine import AsyncConnection, Command, Connection, Query

PATIENCE = 3.0
"""Seconds that the other process gets to end by itself."""
SERVER = ("-m", "aaiclick.engine_server.server", "--port", "0", "--path", ":memory:")


@contextmanager
def engine_elsewhere() -> Generator[Opened, None, None]:
    """Start the engine, connect to it, stop it again."""
    with subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own
        [sys.executable, *SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
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
    """It holds nothing but scratch: where it does not leave when it is asked to, it is killed."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _url(line: str) -> str:
    """The address in the server's first line (JSON, or the bare URL)."""
    if not line.strip():
        raise ConnectionFailed("the embedded engine for the rehearsal did not start: is chdb installed?")
    return str(json.loads(line)["url"]) if line.lstrip().startswith("{") else line.strip()


def _elsewhere(effect: Query | Command, is_scratch: Callable[[str], bool]) -> bool:
    texts = [effect.sql, *(str(value) for value in effect.parameters.values())]
    if isinstance(effect, Command) and effect.database:
        texts.append(effect.database)
    return any(is_scratch(text) for text in texts)


class SplitConnection:
    """A connection whose scratch statements run elsewhere."""

    def __init__(self, server: Connection, other: Connection, is_scratch: Callable[[str], bool]) -> None:
        self._server = server
        self._other = other
        self._is_scratch = is_scratch

    @property
    def embedded(self) -> bool:
        return self._server.embedded

    @property
    def identity(self) -> str:
        return self._server.identity

    def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        return (self._other if _elsewhere(effect, self._is_scratch) else self._server).query(effect)

    def command(self, effect: Command, /) -> None:
        (self._other if _elsewhere(effect, self._is_scratch) else self._server).command(effect)

    def close(self) -> None:
        self._server.close()


class AsyncSplitConnection:
    """The same for an async client; the other engine is asked in this thread (its statements take milliseconds)."""

    def __init__(self, server: AsyncConnection, other: Connection, is_scratch: Callable[[str], bool]) -> None:
        self._server = server
        self._other = other
        self._is_scratch = is_scratch

    @property
    def embedded(self) -> bool:
        return self._server.embedded

    @property
    def identity(self) -> str:
        return self._server.identity

    async def query(self, effect: Query, /) -> Sequence[Sequence[object]]:
        if _elsewhere(effect, self._is_scratch):
            return self._other.query(effect)
        return await self._server.query(effect)

    async def command(self, effect: Command, /) -> None:
        if _elsewhere(effect, self._is_scratch):
            self._other.command(effect)
        else:
            await self._server.command(effect)

    async def close(self) -> None:
        await self._server.close()
