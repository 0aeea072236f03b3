"""A database of its own for each test of this folder, on the one engine of the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aaiclick.routine import Routine
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.apply.applying import Lab


@pytest.fixture
def lab(aaiclick_engine: EmbeddedEngine) -> Iterator[Lab]:
    name = fresh_name("apply")
    made = Lab(aaiclick_engine.url, name)
    made.sql(f"CREATE DATABASE `{name}` ENGINE = Atomic")
    yield made
    made.sql(f"DROP DATABASE `{name}` SYNC")
    made.close()


@pytest.fixture
def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not know table_readonly."""

    def unsupported() -> Routine[bool]:
        yield from ()
        return False

    for module in ("attach", "rebuild", "kept", "catch_up", "way_back"):
        monkeypatch.setattr(f"aaiclick.apply.{module}.fence_supported", unsupported)
