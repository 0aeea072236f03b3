"""Statements that name a database, and a system command."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32"))]
ROWS = ["INSERT INTO t SELECT number, number FROM numbers(4)"]
AFTER = [table(Column("n", "UInt32"))]
EXPECTED = {"t": [(0, 0), (1, 1), (2, 2), (3, 3), (9, 1)]}
