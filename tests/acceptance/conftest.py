"""One server for each older release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick.testing import EngineServer
from aaiclick.testing.engine import fresh_name
from tests.acceptance.old_engines import PYTHONS, OldEngine


@pytest.fixture(
    scope="session", params=PYTHONS or ["none"], ids=lambda python: Path(python).parents[1].name if PYTHONS else "none"
)
def old_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OldEngine]:
    with EngineServer(str(tmp_path_factory.mktemp("old")), python=request.param) as server:
        yield OldEngine(server)


@pytest.fixture
def client(old_engine: OldEngine) -> Iterator[Client]:
    name = fresh_name()
    old_engine.command(f"CREATE DATABASE `{name}`")
    client = old_engine.client(database=name)
    yield client
    client.close()
    old_engine.command(f"DROP DATABASE IF EXISTS `{name}`")
