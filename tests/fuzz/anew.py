"""Columns that a version on the way drops by name, and the next one declares again.

Made with dice of its own, so that the same number still makes the same tables, rows and changes without it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.fuzz.schema import Table, World
from tests.fuzz.types import quoted

SHARE = 0.10
"""Of all cases; most of them have no such column."""


def dropped_between(seed: int, case: World) -> World:
    """The case, with a column that is there before and after the change, and was dropped in between."""
    rng = Random(f"anew {seed}")
    before, after = case.before.tables[0], case.after.tables[0]
    plain = before.engine.name == after.engine.name == "MergeTree"
    others = case.before.views or case.before.dictionaries or case.rebuilt or case.where or case.jumped or after.source
    if rng.random() >= SHARE or not plain or others or any(column.source for column in after.columns):
        return case
    names = [
        column.name
        for column in after.columns
        if column.insertable
        and (was := before.column(column.name)) is not None
        and was.insertable
        and "." not in column.name
        and not any(quoted(column.name) in text for table in (before, after) for text in _read(table, column.name))
        and not any(quoted(column.name) in touch for touch in case.touches)
    ]
    return replace(case, anew=rng.choice(names), changes=(*case.changes, "dropped and anew")) if names else case


def _read(table: Table, name: str) -> list[str]:
    """All that may read the column, apart from itself."""
    found = [*table.order_by, *table.primary_key, table.partition_by, table.sample_by, table.ttl]
    found += [item.expr for item in table.indexes] + [item.expr for item in table.constraints]
    found += [item.query for item in table.projections if "*" not in item.query]
    return [*found, *(f"{column.expr} {column.ttl}" for column in table.columns if column.name != name)]


def without_anew(table: Table, name: str) -> Table:
    """The table as a copy sees it: what was dropped is not there to be copied."""
    return replace(table, columns=tuple(column for column in table.columns if column.name != name))
