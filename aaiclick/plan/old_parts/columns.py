"""Which parts of a table hold which columns. What lightweight updates wrote lies in patch parts, which hold no rows of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.quoting import quote_string

_PATCH = "patch-"


@dataclass(frozen=True, slots=True)
class PartColumns:
    """``parts``: active parts of ``table``; ``columns``: in how many of them each column is. ``patched``: some rows are in patch
    parts. ``together``: the different sets of columns that parts hold."""

    table: str
    parts: int
    columns: Mapping[str, int]
    patched: bool = False
    together: tuple[frozenset[str], ...] = ()

    def lacking(self, column: str) -> int:
        """How many parts do not hold the column."""
        return self.parts - self.columns.get(column, 0)

    def emptied(self, columns: Collection[str]) -> int:
        """How many of the different sets of columns that parts hold are among these."""
        return sum(names <= set(columns) for names in self.together)


def held_columns(database: str, table: str) -> Routine[PartColumns]:
    """Read it from the catalogue."""
    named = {"database": database, "table": table}
    rows = yield Query(
        f"SELECT toUInt64(countIf(NOT startsWith(name, '{_PATCH}'))), toUInt64(countIf(startsWith(name, '{_PATCH}'))) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        named,
    )
    sets = yield Query(
        "SELECT toJSONString(columns), toUInt64(count()) FROM (SELECT name, arraySort(groupUniqArray(column)) AS columns FROM system.parts_columns"
        f" WHERE active AND database = {{database:String}} AND table = {{table:String}} AND NOT startsWith(name, '{_PATCH}')"
        " AND column NOT IN ('_block_number', '_block_offset') GROUP BY name) GROUP BY columns ORDER BY columns",
        named,
    )
    together = tuple((frozenset[str](json.loads(text(row[0]))), number(row[1])) for row in sets)
    counts: Counter[str] = Counter()
    for names, parts in together:
        counts.update(dict.fromkeys(names, parts))
    return PartColumns(table, number(rows[0][0]), counts, number(rows[0][1]) > 0, tuple(names for names, _ in together))


def lacking(database: str, table: str, column: str) -> str:
    """A condition that is true for rows of the parts that do not hold the column."""
    where = f"active AND database = {quote_string(database)} AND table = {quote_string(table)} AND column = {quote_string(column)}"
    return f"_part NOT IN (SELECT name FROM system.parts_columns WHERE {where})"
