"""Fixtures and a test server for code that uses ClickHouse: a pytest plugin, and the engine behind HTTP in a child
process.

Everything is imported on first use: the process of the test server loads no more than what it serves with.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aaiclick.testing.engine import EmbeddedEngine
    from aaiclick.testing.factories import SchemaFactory, UpgradeFactory
    from aaiclick.testing.process import EngineServer
    from aaiclick.testing.versions import OldInstall, locked_versions, schema_at

__all__ = [
    "EmbeddedEngine",
    "EngineServer",
    "OldInstall",
    "SchemaFactory",
    "UpgradeFactory",
    "locked_versions",
    "schema_at",
]

_HOME = {
    "EmbeddedEngine": "engine",
    "EngineServer": "process",
    "OldInstall": "versions",
    "SchemaFactory": "factories",
    "UpgradeFactory": "factories",
    "locked_versions": "versions",
    "schema_at": "versions",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'aaiclick.testing' has no attribute {name!r}")
    value: object = getattr(import_module(f"aaiclick.testing.{home}"), name)
    # From now on the name is found without this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
