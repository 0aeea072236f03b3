"""Defaults that the engine computes in two ways, because their parts lack a column that they read, too.

Where a query reads only the default, the engine puts a literal in the place of a column that the part lacks and that
has no default of its own (``read_by_defaults.py``): ``toString`` of a Date is `0`. Where the query reads that column
beside it, the default is computed over the column's type: `1970-01-01`. A copy reads both, a merge does not, and stores
the other value for good. So the value that a copy reads is written first where a change comes near such a column, or a
new column's default reads it. The others are left alone: the server may read and store either way, as it did before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aaiclick.catalog.forms import ColumnForm
from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.reached import read_through
from aaiclick.diff.target import live_column
from aaiclick.plan.data_checks.expressions import hashed
from aaiclick.plan.old_parts.columns import PartColumns, lacking
from aaiclick.plan.old_parts.read_by_defaults import LITERALS
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.quoting import quote_name

_READ: dict[str, str | int] = {"final": 0, "max_execution_time": 0, "optimize_use_projections": 0}


def suspects(diff: TableDiff, touched: Collection[str]) -> tuple[tuple[ColumnForm, tuple[str, ...]], ...]:
    """The live columns that stay and have a default which reads, also through other expressions, a column without one,
    and the names of those: each that a change has ``touched``, and what these read. What a column reads comes before
    it."""
    form = diff.form
    near = {name for column in form.columns if column.name in touched for name in read_through(column, form)}
    near |= {*touched} | _read_by_new(diff)
    stays = {
        old.name
        for column in diff.target.form.columns
        if column.stored and (old := live_column(form, diff.target.renames, column.name)) is not None
    }
    bare = [column.name for column in form.columns if not column.kind and column.type not in LITERALS]
    found = [
        (column, names, len(reached))
        for column in form.columns
        if column.kind in ("DEFAULT", "MATERIALIZED") and column.name in stays & near
        for reached in [read_through(column, form)]
        if (names := tuple(name for name in bare if name in reached))
    ]
    # What is read by another reads less than that one.
    return tuple((column, names) for column, names, _ in sorted(found, key=lambda each: each[2]))


def read_two_ways(
    diff: TableDiff, held: PartColumns, source: str, asked_about: Sequence[tuple[ColumnForm, tuple[str, ...]]]
) -> Routine[tuple[ColumnForm, ...]]:
    """Those of the columns that rows of old parts read in two ways. ``source``: the quoted name of the table."""
    found: list[ColumnForm] = []
    for column, names in asked_about:
        absent = [name for name in names if held.lacking(name)]
        if not absent or not held.lacking(column.name):
            continue
        where = f"FROM {source} WHERE {lacking(diff.database, held.table, column.name)}"
        value = hashed(quote_name(column.name))
        beside = [hashed(quote_name(name)) for name in absent]
        alone = yield from shards_answered(diff.shards, [value], where, _READ, long=True)
        both = yield from shards_answered(diff.shards, [value, *beside], where, _READ, long=True)
        if alone is None or both is None or [row[0] for row in alone] != [row[0] for row in both]:
            found.append(column)
    return tuple(found)


def _read_by_new(diff: TableDiff) -> set[str]:
    """The live columns that defaults of new columns read: a mutation or a merge computes these of what it reads."""
    wanted, renames = diff.target.form, diff.target.renames
    new = [
        column
        for column in wanted.columns
        if column.kind in ("DEFAULT", "MATERIALIZED") and live_column(diff.form, renames, column.name) is None
    ]
    read = frozenset[str]().union(*(read_through(column, wanted) for column in new))
    return {old.name for name in read if (old := live_column(diff.form, renames, name)) is not None}
