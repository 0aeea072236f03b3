"""A copy although nothing differs."""

from __future__ import annotations

from aaiclick import Migration

migration = Migration(version=2, strategy={"t": "rebuild"})
