"""What tests of the bookkeeping share: a session on the engine of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.testing.engine import EmbeddedEngine
from tests.support.session_connection import SessionConnection, session


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[SessionConnection]:
    with session(aaiclick_engine.path) as opened:
        yield opened
