"""The engine that all tests of a process share: what one of them says with SET is no other one's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.known_engine import known_engine

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_opened: list[SharedEngine] = []
_SET = re.compile(r"\bSET\s+\w+\s*=", re.IGNORECASE)
_CHANGED = "SELECT name FROM system.settings WHERE changed AND NOT readonly ORDER BY name"


class SharedEngine(EmbeddedEngine):
    """Notes whether something was set; ``put_back`` is for the end of each test."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._said_set = False
        self._own = frozenset(super().command(_CHANGED).split())
        _opened.append(self)

    def command(self, sql: str) -> str:
        self._said_set = self._said_set or _SET.search(sql) is not None
        return super().command(sql)

    def client(self, database: str | None = None) -> Client:
        """As the plugin's, but only the first one asks for the engine's 1,800 settings and reads them, which takes
        longer than many a test."""
        with known_engine(self.path):
            return super().client(database)

    def close(self) -> None:
        if self in _opened:
            _opened.remove(self)
        super().close()

    def put_back(self) -> None:
        """Every setting that was changed since the engine was opened gets its default again."""
        if not self._said_set:
            return
        changed = [name for name in super().command(_CHANGED).split() if name not in self._own]
        if changed:
            super().command("SET " + ", ".join(f"{name} = DEFAULT" for name in changed))
        self._said_set = False


class SharedServer(EngineServer):
    """Its plain clients, too, know what the first one was told."""

    def client(self, database: str | None = None, **options: object) -> Client:
        if options:
            return super().client(database, **options)
        with known_engine("server"):
            return super().client(database)


def put_back() -> None:
    """On the engine of this process, where it was opened."""
    for engine in _opened:
        engine.put_back()
