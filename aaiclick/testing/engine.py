"""The embedded engine of one test process, and fresh databases on it or on a server.

chdb holds one data directory for each process, so all tests of a process share one engine and each takes a database of
its own. Nothing here imports chdb or clickhouse-connect before it is used.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from typing_extensions import Self

from aaiclick.errors import ConnectionFailed

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_OPEN_ELSEWHERE = re.compile(r"already initialized with path '(.*)', cannot")


class _Answer(Protocol):
    def bytes(self) -> bytes: ...


class _Handle(Protocol):
    def query(self, query: str, format: str = ..., params: Mapping[str, str] | None = ...) -> _Answer: ...
    def close(self) -> None: ...


def fresh_name(prefix: str = "test") -> str:
    """A database name that no other test, worker or process picks: ``test_<worker>_<pid>_<random>``."""
    worker = re.sub(r"\W", "", os.environ.get("PYTEST_XDIST_WORKER", "main"))
    return f"{prefix}_{worker}_{os.getpid()}_{secrets.token_hex(4)}"


class EmbeddedEngine:
    """The engine inside this process. ``path`` is its data directory, or ``:memory:``.

    When this process has opened chdb before, on whatever path, that engine is used (``shared`` is true), because a
    process can hold only one. ConnectionFailed when another process holds the directory.
    """

    def __init__(self, path: str | os.PathLike[str] = ":memory:") -> None:
        wanted = os.fspath(path)
        if wanted != ":memory:":
            # The engine compares paths as text, and clickhouse-connect resolves them before it connects.
            os.makedirs(wanted, exist_ok=True)
            wanted = os.path.realpath(wanted)
        self.shared = False
        try:
            self._handle = _connect(wanted)
        except Exception as error:
            found = _OPEN_ELSEWHERE.search(str(error))
            if found is None:
                raise ConnectionFailed(f"The embedded engine cannot be opened at {wanted}: {error}") from error
            self.shared = True
            wanted = found[1]
            self._handle = _connect(wanted)
        self.path = wanted
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<EmbeddedEngine {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The engine as a URL: ``chdb:///data/directory`` or ``chdb://memory``."""
        return "chdb://memory" if self.path == ":memory:" else f"chdb://{self.path}"

    def client(self, database: str | None = None) -> Client:
        """A clickhouse-connect client on this engine with its own session (SET, USE, temporary tables); close it after
        use."""
        get_client = cast("Callable[..., Client]", import_module("clickhouse_connect").get_client)
        return get_client(interface="chdb", path=self.path, database=database)

    def command(self, sql: str) -> str:
        """Runs one or more statements and gives the text of the last answer (TabSeparated)."""
        return self._handle.query(sql, "TabSeparated").bytes().decode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Lets go of the engine; it shuts down with its last client. Does nothing in a forked child, where it would
        hang."""
        if os.getpid() == self._process:
            self._handle.close()


def _connect(path: str) -> _Handle:
    # As many threads for merges and mutations as a server has: with the two of an embedded engine a mutation of more
    # than four parts waits for up to a second.
    return cast("Callable[[str], _Handle]", import_module("chdb").connect)(f"{path}?background_pool_size=16")
