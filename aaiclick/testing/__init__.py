"""Fixtures and a test server for code that uses ClickHouse: a pytest plugin, and the engine behind HTTP in a child process."""

from __future__ import annotations

from aaiclick.testing.process import EngineServer

__all__ = ["EngineServer"]
