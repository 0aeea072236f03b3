"""Which parts of a table hold which columns. What lightweight updates wrote lies in patch parts, which hold no rows of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.routine import Query, Routine, number, text
from aaiclick.specs.quoting import quote_string

_PATCH = "patch-"


@dataclass(frozen=True, slots=True)
class Held:
    """``parts``: active parts of ``table``; ``columns``: in how many of them each column is. ``patched``: some rows are in patch parts."""

    table: str
    parts: int
    columns: Mapping[str, int]
    patched: bool = False

    def lacking(self, column: str) -> int:
        """How many parts do not hold the column."""
        return self.parts - self.columns.get(column, 0)


def held_columns(database: str, table: str) -> Routine[Held]:
    """Read it from the catalogue."""
    named = {"database": database, "table": table}
    rows = yield Query(
        f"SELECT toUInt64(countIf(NOT startsWith(name, '{_PATCH}'))), toUInt64(countIf(startsWith(name, '{_PATCH}'))) FROM system.parts"
        " WHERE active AND database = {database:String} AND table = {table:String}",
        named,
    )
    columns = yield Query(
        "SELECT column, toUInt64(uniqExact(name)) FROM system.parts_columns"
        f" WHERE active AND database = {{database:String}} AND table = {{table:String}} AND NOT startsWith(name, '{_PATCH}') GROUP BY column",
        named,
    )
    return Held(table, number(rows[0][0]), {text(row[0]): number(row[1]) for row in columns}, number(rows[0][1]) > 0)


def lacking(database: str, table: str, column: str) -> str:
    """A condition that is true for rows of the parts that do not hold the column."""
    where = f"active AND database = {quote_string(database)} AND table = {quote_string(table)} AND column = {quote_string(column)}"
    return f"_part NOT IN (SELECT name FROM system.parts_columns WHERE {where})"
