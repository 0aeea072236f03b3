"""Fixtures and a test server for code that uses ClickHouse: a pytest plugin, and the engine behind HTTP in a child
process."""

from __future__ import annotations

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
