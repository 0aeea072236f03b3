"""A project on disk, and one engine for all the declarations that are brought into their canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aaiclick.clients.opening import Opened, open_url
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.migrations.projects import Project


@pytest.fixture(autouse=True)
def temporary_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """``revision`` and ``check`` start an engine for each call, half a second every time. Here they get an empty
    database on a server that is there already; the commands of the tutorial are processes of their own and start
    theirs."""

    @contextmanager
    def on_the_shared_server() -> Iterator[Opened]:
        server: EngineServer = request.getfixturevalue("aaiclick_server")
        server.start()
        name = fresh_name("elsewhere")
        server.command(f"CREATE DATABASE {name}")
        connection = open_url(f"{server.url}/{name}")
        try:
            yield connection
        finally:
            connection.close()
            server.command(f"DROP DATABASE {name} SYNC")

    monkeypatch.setattr("aaiclick.api.declared_forms.temporary_engine", on_the_shared_server)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(tmp_path)
    made = Project(tmp_path)
    yield made
    made.forget()
