"""A database of its own for each test of this folder, on the one engine of the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from aaiclick.clickhouse import write_fence
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
def no_readonly_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not know table_readonly: a constraint refuses writers."""

    def unsupported() -> Routine[bool]:
        yield from ()
        return False

    asking = [
        module
        for name, module in tuple(sys.modules.items())
        if name.startswith("aaiclick.") and "has_readonly_setting" in vars(module)
    ]
    assert len(asking) >= 3
    for module in asking:
        monkeypatch.setattr(module, "has_readonly_setting", unsupported)
    # What such a server answers to RESET SETTING is what this one answers for a setting that it does not know.
    monkeypatch.setattr(write_fence, "reset_setting", lambda *_: "RESET SETTING no_such_setting")


@pytest.fixture(params=["setting", "constraint"])
def fence(request: pytest.FixtureRequest) -> None:
    """Once with each of the two ways in which writers are refused."""
    if request.param == "constraint":
        request.getfixturevalue("no_readonly_setting")
