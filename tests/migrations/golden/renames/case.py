"""A column and a table under new names."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("n", "UInt32")), table(Column("what", "String"), name="old_log")]
ROWS = ["INSERT INTO t VALUES (1, 1), (2, 2)", "INSERT INTO old_log VALUES (1, 'a')"]
AFTER = [table(Column("number", "UInt32")), table(Column("what", "String"), name="log")]
EXPECTED = {"t": [(1, 1), (2, 2)], "log": [(1, "a")]}
