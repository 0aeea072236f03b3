"""A column from an expression, rows filtered, another sort key."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

BEFORE = [table(Column("args", "Array(String)"), Column("n", "UInt32"))]
ROWS = ["INSERT INTO t SELECT number, [toString(number), 'x'], number % 3 FROM numbers(6)"]
AFTER = [table(Column("n", "UInt32"), Column("kwargs", "Map(String, String)"), order="n")]
ALLOW = ["drop-rows t"]
EXPECTED = {
    "t": [
        (0, ["0", "x"], 0, {"a0": "0", "a1": "x"}),
        (2, ["2", "x"], 2, {"a0": "2", "a1": "x"}),
        (3, ["3", "x"], 0, {"a0": "3", "a1": "x"}),
        (5, ["5", "x"], 2, {"a0": "5", "a1": "x"}),
    ]
}
