"""A change that must not become a copy."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32"))]
ROWS = ["INSERT INTO t VALUES (1, 1), (2, 2)"]
AFTER = [table(Column("n", "UInt32"), Column("label", "String", default="'none'"))]
EXPECTED = {"t": [(1, 1, "none"), (2, 2, "none")]}
