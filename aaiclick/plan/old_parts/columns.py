"""Which parts of a table hold which columns. Values of lightweight UPDATEs are in patch parts, which hold no rows of
their own."""

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
    """The columns that parts of a table hold."""

    table: str
    """Name of the table that was read."""
    parts: int
    """Number of active parts."""
    columns: Mapping[str, int]
    """For each column the number of parts that hold it."""
    patched: bool = False
    """True where there are patch parts."""
    together: tuple[frozenset[str], ...] = ()
    """The different sets of columns that parts hold."""

    def lacking(self, column: str) -> int:
        """Number of parts that do not hold the column."""
        return self.parts - self.columns.get(column, 0)

    def emptied(self, columns: Collection[str]) -> int:
        """Number of different column sets that would be empty without these columns."""
        return sum(names <= set(columns) for names in self.together)


def held_columns(database: str, table: str) -> Routine[PartColumns]:
    """Read it from ``system.parts`` and ``system.parts_columns``."""
    named = {"database": database, "table": table}
    rows = yield Query(
        f"SELECT toUInt64(countIf(NOT startsWith(name, '{_PATCH}'))), toUInt64(countIf(startsWith(name, "
        f"'{_PATCH}'))) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        named,
    )
    # Without _block_number and _block_offset, which the server stores by itself and no definition has.
    sets = yield Query(
        "SELECT toJSONString(columns), toUInt64(count()) FROM (SELECT name, arraySort(groupUniqArray(column)) AS "
        "columns FROM system.parts_columns"
        f" WHERE active AND database = {{database:String}} AND table = {{table:String}} AND NOT startsWith(name, "
        f"'{_PATCH}')"
        " AND column NOT IN ('_block_number', '_block_offset') GROUP BY name) GROUP BY columns ORDER BY columns",
        named,
    )
    together = tuple((frozenset[str](json.loads(text(row[0]))), number(row[1])) for row in sets)
    counts: Counter[str] = Counter()
    for names, parts in together:
        counts.update(dict.fromkeys(names, parts))
    return PartColumns(table, number(rows[0][0]), counts, number(rows[0][1]) > 0, tuple(names for names, _ in together))


def lacking(database: str, table: str, column: str) -> str:
    """A condition for rows of parts that do not hold the column."""
    where = (
        f"active AND database = {quote_string(database)} AND table = {quote_string(table)} AND column = "
        f"{quote_string(column)}"
    )
    return f"_part NOT IN (SELECT name FROM system.parts_columns WHERE {where})"
