"""Values of two tables are converted, statements and a function follow: nothing of it shows in the form of a table."""

from __future__ import annotations

from aaiclick import Column
from tests.migrations.building import table

_PRICES = [
    table(Column("price", "UInt64"), name="t"),
    table(Column("price", "UInt64"), name="u"),
    table(Column("what", "String"), name="log"),
]
BEFORE = _PRICES
ROWS = ["INSERT INTO t SELECT number, 5 FROM numbers(3)", "INSERT INTO u SELECT number, 7 FROM numbers(3)"]
AFTER = _PRICES
EXPECTED = {
    "t": [(0, 500), (1, 500), (2, 500)],
    "u": [(0, 700), (1, 700), (2, 700)],
    "log": [(1, "statement"), (2, "function")],
}
