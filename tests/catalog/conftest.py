"""A connection on the test process's engine, and routines run on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.routine import Connection
from aaiclick.testing.engine import EmbeddedEngine, fresh_name


@pytest.fixture(scope="module")
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Connection]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def module_database(aaiclick_engine: EmbeddedEngine) -> Iterator[str]:
    """One database for all tests of a module."""
    name = fresh_name()
    aaiclick_engine.command(f"CREATE DATABASE `{name}`")
    yield name
    aaiclick_engine.command(f"DROP DATABASE IF EXISTS `{name}` SYNC")
