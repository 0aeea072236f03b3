"""What it costs to read rows before anything is changed, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.clickhouse.topology import SINGLE
from aaiclick.diff.target import live_column
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_text
from aaiclick.routine import Routine, number, text


@dataclass(frozen=True, slots=True)
class Cost:
    """Columns of live rows that are read; ``bytes`` is their compressed size.

    ``open``: what they would show, in words, where they were not read because that is more than allowed.
    """

    columns: frozenset[str] = frozenset()
    rows: int = 0
    bytes: int = 0
    open: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """``2 columns of 1,000 rows``."""
        count = len(self.columns)
        return f"{count} {'column' if count == 1 else 'columns'} of {rows_text(self.rows)}"

    def plus(self, other: Cost) -> Cost:
        """Both costs. A column that is read twice counts once in ``columns`` and twice in ``bytes``."""
        return Cost(
            self.columns | other.columns,
            max(self.rows, other.rows),
            self.bytes + other.bytes,
            (*self.open, *other.open),
        )


def cost_of(diff: TableDiff, data_name: str, columns: Collection[str], what: Collection[str]) -> Routine[Cost]:
    """The cost of reading these live columns. Where it is more than allowed, ``what`` stays open."""
    size = yield from _sizes(diff, data_name)
    read = sum(size.get(name, 0) for name in columns)
    if any(not size.get(name) for name in columns):
        # Small parts keep all columns in one file, which counts for none of them.
        read += max(0, diff.live.bytes - sum(size.values()))
    # At 0 nothing is read, however small the table is.
    allowed = diff.max_read_bytes is None or (diff.max_read_bytes > 0 and read <= diff.max_read_bytes)
    return Cost(frozenset(columns), diff.live.rows, read, () if allowed else tuple(what))


def touched_bytes(diff: TableDiff, data_name: str) -> Routine[int]:
    """Compressed bytes of the columns that change type: about what a mutation reads and writes."""
    touched = {
        old.name
        for column in diff.target.form.columns
        if (old := live_column(diff.form, diff.target.renames, column.name)) and old.type != column.type
    }
    if not touched:
        return 0
    size = yield from _sizes(diff, data_name)
    return sum(size.get(name, 0) for name in touched)


def _sizes(diff: TableDiff, data_name: str) -> Routine[dict[str, int]]:
    """Compressed bytes of each column."""
    rows = yield from ask_shards(
        # Where no row may be read nobody asks what it would cost: a shard may be away.
        diff.shards if not diff.reads_no_rows else SINGLE,
        ["name", "toUInt64(data_compressed_bytes)"],
        "FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        parameters={"database": diff.database, "table": data_name},
    )
    found: dict[str, int] = {}
    for name, size in rows:
        found[text(name)] = found.get(text(name), 0) + number(size)
    return found
