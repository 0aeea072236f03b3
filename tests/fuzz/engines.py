"""The engine of this process, or an older release behind the test server."""

from __future__ import annotations

from contextlib import suppress

from clickhouse_connect.driver.client import Client

from aaiclick.errors import AaiclickError
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine
from tests.fuzz.ground import SETTINGS, Refused


class Embedded:
    """chdb in this process, in a session of its own: the settings are nobody else's."""

    keeps_sessions = True

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = EmbeddedEngine(engine.path)
        self.run("SET " + ", ".join(f"{name} = {value}" for name, value in SETTINGS.items()))

    def run(self, sql: str) -> str:
        try:
            return self._engine.command(sql)
        except Exception as error:
            with suppress(Exception):  # what was answered before it failed stands in front of the next answer
                self._engine.command("SELECT 1 FORMAT Null")
            raise Refused(f"{error} <- {sql}") from error

    def client(self) -> Client:
        return self._engine.client()

    def close(self) -> None:
        self._engine.close()


class Served:
    """An older release: each statement takes the settings along that this release knows."""

    keeps_sessions = False

    def __init__(self, server: EngineServer) -> None:
        self._server = server
        known = set(server.command("SELECT name FROM system.settings").split())
        self._settings = {name: value for name, value in SETTINGS.items() if name in known}

    def run(self, sql: str) -> str:
        try:
            return self._server.command(sql.removesuffix(" SYNC"), self._settings)
        except AaiclickError as error:
            raise Refused(f"{error} <- {sql}") from error

    def client(self) -> Client:
        return self._server.client()
