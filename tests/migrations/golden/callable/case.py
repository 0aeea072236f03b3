"""A function moves rows from one table to another, in slices."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32"))]
ROWS = ["INSERT INTO t SELECT number, number * 2 FROM numbers(5)"]
AFTER = [table(Column("n", "UInt32")), table(Column("n", "UInt32"), name="copies")]
EXPECTED = {"t": [(0, 0), (1, 2), (2, 4), (3, 6), (4, 8)], "copies": [(0, 0), (1, 2), (2, 4), (3, 6), (4, 8)]}
