"""Older ClickHouse releases for the suite: older chdb wheels behind the test server (``make engines`` installs them).

``AAICLICK_ENGINES`` lists Python executables that have another chdb, separated by colons; ``AAICLICK_READING_ENGINES``
those whose chdb lacks system tables without which nothing is changed.
"""

from __future__ import annotations

import os

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.errors import StatementError
from aaiclick.sql.quoting import quote_name
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.acceptance.counts import note
from tests.cases.runner import REPLAY, statements
from tests.support.served import with_settings


def _listed(variable: str) -> list[str]:
    return [python for python in os.environ.get(variable, "").split(":") if python]


PYTHONS, READING = _listed("AAICLICK_ENGINES"), _listed("AAICLICK_READING_ENGINES")


class OldEngine:
    """An older release over HTTP, with as much of the embedded engine's face as the cases need."""

    def __init__(self, server: EngineServer) -> None:
        self.server = server
        self.release = ".".join(server.version.split(".")[:2])

    def command(self, sql: str) -> str:
        """One statement; a server takes no second one, so the SET before it goes along as settings."""
        return with_settings(self.server, sql)

    def client(self, database: str | None = None) -> Client:
        return self.server.client(database)

    def note(self, part: str, case: str, refusal: str = "") -> None:
        """For docs/compatibility.md: the case was shown, or the release cannot hold it."""
        note(self.release, part, case, refusal)

    def skip_what_it_cannot_hold(self, part: str, case: str, *scripts: str) -> None:
        """Skip a case with the server's own sentence where this release refuses one of its tables (``{db}`` stands for
        a database)."""
        for script in scripts:
            name = fresh_name()
            self.command(f"CREATE DATABASE {quote_name(name)}")
            try:
                for statement in statements(script.replace("{db}", name)):
                    self.command(f"{REPLAY}; {statement}")
            except StatementError as error:
                self.note(part, case, str(error))
                pytest.skip(str(error))
            finally:
                self.command(f"DROP DATABASE {quote_name(name)}")
