"""Statements that name a database, and a system command."""

from __future__ import annotations

from aaiclick import Migration

migration = Migration(version=2, sql=["SYSTEM FLUSH LOGS; INSERT INTO t SELECT 9, count() FROM system.one"])
