"""What tests of the commands share: a connection on the engine of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.clients.opening import Opened, open_url
from aaiclick.testing.engine import EmbeddedEngine


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[Opened]:
    opened = open_url(aaiclick_engine.url)
    yield opened
    opened.close()
