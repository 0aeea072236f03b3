"""A connection on the test process's engine, and routines run on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.clients.opening import open_url
from aaiclick.routine import Connection
from aaiclick.testing.engine import EmbeddedEngine


@pytest.fixture(scope="module")
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Connection]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()
