"""A copy although nothing differs."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32"))]
ROWS = ["INSERT INTO t VALUES (1, 1), (2, 2)"]
AFTER = [table(Column("n", "UInt32"))]
EXPECTED = {"t": [(1, 1), (2, 2)]}
