"""A column and a table under new names."""

from __future__ import annotations

from aaiclick import Migration

migration = Migration(version=2, renames={"t.n": "number", "old_log": "log"})
