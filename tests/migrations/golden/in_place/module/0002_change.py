"""A change that must not become a copy."""

from __future__ import annotations

from aaiclick import Migration

migration = Migration(version=2, strategy={"t": "alter"}, oldest_code=1)
