"""A database of its own for each test of this folder, on the one engine of the process."""

from __future__ import annotations

import sys
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

    asking = [
        module
        for name, module in tuple(sys.modules.items())
        if name.startswith("aaiclick.") and "fence_supported" in vars(module)
    ]
    assert len(asking) > 5
    for module in asking:
        monkeypatch.setattr(module, "fence_supported", unsupported)
