"""What can be read of a table, and whether it reads the same in company."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz import compare
from tests.fuzz.ground import Ground, Refused
from tests.fuzz.schema import Column, Table
from tests.fuzz.types import quoted


def broken(ground: Ground, source: str, columns: Sequence[Column]) -> None:
    """Raise ``Refused`` where a default that was added fails on the rows that are there: such a table cannot be read
    before any change, which is no case."""
    if columns:
        ground.run(f"SELECT {', '.join(quoted(column.name) for column in columns)} FROM {source} FORMAT Null")


def depends(ground: Ground, source: str, table: Table, column: Column) -> bool:
    """Where a default reads another column that the part lacks, too, the engine may give one value where only the first
    is read, and another where both are: before any change."""
    beside = [other for other in table.columns if other.late and other != column and quoted(other.name) in column.expr]
    if not beside:
        return False
    alone, both = (
        f"SELECT {', '.join(compare.shown(each)[0] for each in listed)} FROM {source} ORDER BY _part, _part_offset"
        for listed in ([column], [column, *beside])
    )
    try:
        return [row[0] for row in ground.rows(alone)] != [row[0] for row in ground.rows(both)]
    except Refused:
        return True


def unread(ground: Ground, database: str, table: Table) -> frozenset[str]:
    return frozenset(
        column.name
        for column in table.columns
        if column.kind == "ALIAS" and not _reads(ground, f"{database}.{quoted(table.name)}", column)
    )


def _reads(ground: Ground, name: str, column: Column) -> bool:
    try:
        ground.rows(f"SELECT {compare.shown(column)[0]} FROM {name}")
    except Refused:
        return False
    return True
