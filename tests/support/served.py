"""A server with as much of the embedded engine's face as cases need: it takes one statement, so the SET before it goes
along as settings."""

from __future__ import annotations

import re

from aaiclick.testing import EngineServer

_SET = re.compile(r"SET ((?:\w+ = \d+(?:, )?)+); ")


def with_settings(server: EngineServer, sql: str) -> str:
    """``SET a = 1, b = 2; statement``."""
    before = _SET.match(sql)
    if before is None:
        return server.command(sql)
    return server.command(sql[before.end() :], dict(item.split(" = ") for item in before[1].split(", ")))


class Served:
    """The engine of a case, behind a server."""

    def __init__(self, server: EngineServer) -> None:
        self.server = server

    @property
    def url(self) -> str:
        return self.server.url

    def command(self, sql: str) -> str:
        return with_settings(self.server, sql)
