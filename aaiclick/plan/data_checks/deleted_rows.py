"""Rows that a lightweight DELETE has hidden, but that their parts still hold.

No query sees them, so no count does. A mutation reads them all the same, and so does a merge, which computes the
default of a column that its parts lack: where one of them does not convert it fails, now and at each further try. A
copy, which reads only what is seen, does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.parts import EVERY_ROW
from aaiclick.clickhouse.shared.host_answers import ask_hosts
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.changes.base import Change
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.diff.changes.materialize_columns import MaterializeColumns
from aaiclick.diff.conversion.convert import cast
from aaiclick.diff.target import live_column
from aaiclick.error_codes import is_transient
from aaiclick.errors import StatementError
from aaiclick.plan.data_checks.checks import asked
from aaiclick.plan.data_checks.expressions import hashed
from aaiclick.plan.old_parts.readings import computed
from aaiclick.plan.proof.remade_indexes import RemakeIndex
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import qualified, quote_name

_SHOWN = "_aaiclick_shown"
_PREFIX = "_aaiclick_value_"


def mutation_fails(diff: TableDiff, data_name: str, changes: Sequence[Change]) -> Routine[str]:
    """Why a mutation for these changes, or a merge behind them, fails on hidden rows; '' where it does not, or no row
    may be read."""
    # Of several hosts each has a mutation of its own, or may hold parts that this one lacks: all of them are read, also
    # those of other shards, of whose other rows nothing is said.
    hosts = diff.hosts
    if (diff.reads_no_rows and not hosts.reached) or not diff.live.rows or diff.live.predicted:
        return ""
    carried = {f"{_PREFIX}{place}": value for place, value in enumerate(_over_live(diff, changes))}
    made = list(_over_target(changes))
    merged = [quote_name(name) for name in _by_merges(diff, changes)]
    if not carried and not made and not merged:
        return ""
    # Mostly none: then no row is read for it.
    if not (yield from _hidden(hosts, diff.database, data_name)):
        return ""
    # The server keeps in _row_exists of each row whether it is seen; parts without deleted rows say 1.
    table = hosts.everywhere(qualified(diff.database, data_name)) if hosts.reached else ""
    source = future_rows(diff, data_name, [*made, *merged], {_SHOWN: "_row_exists", **carried}, table).source
    values = [*map(quote_name, carried), *made, *merged]
    what = "a mutation fails on them" if carried or made else "no merge gets past them"
    try:
        yield from asked(
            f"SELECT {hashed(*values)} FROM {source} WHERE NOT {_SHOWN}", {**COMPARE_SETTINGS, **EVERY_ROW}, long=True
        )
    except StatementError as error:
        if is_transient(error.code):
            raise
        return (
            f"rows that a lightweight DELETE has hidden are still in the parts, and {what} (the "
            f"engine: {first_line(str(error)).partition(': while executing')[0]})"
        )
    return ""


def _hidden(hosts: Topology, database: str, name: str) -> Routine[bool]:
    """Whether some part of the table, on any host that answers, holds such rows."""
    parts = hosts.everywhere("system.parts") if hosts.reached else "system.parts"
    sql = (
        f"SELECT toUInt64(countIf(has_lightweight_delete)) FROM {parts} WHERE active AND database = "
        "{database:String} AND table = {table:String}"
    )
    bound = {"database": database, "table": name}
    rows = (yield from ask_hosts(hosts, sql, bound)).rows if hosts.reached else (yield Query(sql, bound))
    return number(rows[0][0]) > 0


def _over_live(diff: TableDiff, changes: Sequence[Change]) -> Iterator[str]:
    """What mutations compute of the live columns."""
    for change in changes:
        if isinstance(change, RetypeColumn) and change.old.stored and change.new.stored:
            old = live_column(diff.form, diff.target.renames, change.new.name)
            yield cast(quote_name(old.name if old is not None else change.old.name), change.new.type)
        elif isinstance(change, MaterializeColumns):
            yield from (computed(pin.column, diff.form) for pin in change.pins)


def _over_target(changes: Sequence[Change]) -> Iterator[str]:
    """What mutations compute of the columns as they will be."""
    for change in changes:
        if isinstance(change, AddColumn) and change.written:
            yield quote_name(change.column.name)
        elif isinstance(change, RemakeIndex):
            yield change.index.expression


def _by_merges(diff: TableDiff, changes: Sequence[Change]) -> Iterator[str]:
    """New columns that merges compute of other columns, for parts from before."""
    names = [column.name for column in diff.target.form.columns]
    for change in changes:
        # One that is written at once is the mutation's.
        if not isinstance(change, AddColumn) or change.written:
            continue
        if change.column.kind in ("DEFAULT", "MATERIALIZED") and mentioned(change.column.expression, names):
            yield change.column.name
