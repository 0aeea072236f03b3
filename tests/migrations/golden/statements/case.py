"""Rows changed and copied by statements, into a table that the version adds."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32"))]
ROWS = ["INSERT INTO t SELECT number, number * 10 FROM numbers(4)"]
AFTER = [table(Column("n", "UInt32"), Column("label", "String")), table(Column("total", "UInt64"), name="sums")]
EXPECTED = {"t": [(0, 0, "n0"), (1, 10, "n10"), (2, 20, "n20"), (3, 30, "n30")], "sums": [(7, 60)]}
