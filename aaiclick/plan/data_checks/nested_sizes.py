"""Checks that an array that comes into a Nested has as many elements as its other arrays have, row by row.

An INSERT refuses arrays of different sizes under names that begin alike (`n.a`, `n.b`), and so does a copy. An ALTER
takes a default of any size: the rows that are there would read what no INSERT could have written, every INSERT that
leaves the column out would fail, and without the other column the array could no longer be read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.diff.target import live_column
from aaiclick.error_codes import is_transient
from aaiclick.errors import StatementError
from aaiclick.plan.clusters.sizes import OWN_ROWS
from aaiclick.plan.old_parts.added_leaves import is_array
from aaiclick.plan.old_parts.readings import leaves_of
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_that
from aaiclick.routine import Routine, number, text
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class _Pair:
    """An array that comes into a Nested, and one that is measured against."""

    new: ColumnForm
    beside: ColumnForm

    @property
    def unequal(self) -> str:
        return f"length({quote_name(self.new.name)}) != length({quote_name(self.beside.name)})"


def unequal_sizes(diff: TableDiff, data_name: str) -> Routine[tuple[str, Cost]]:
    """A sentence for each such array that has another size in some rows ('' for none), and what it cost to find out.
    Nothing is looked at where that would read more than is allowed."""
    pairs = _pairs(diff)
    if not pairs or not diff.live.rows or diff.reads_no_rows:
        return "", Cost()
    names = dict.fromkeys(quote_name(each.name) for pair in pairs for each in (pair.new, pair.beside))
    rows = future_rows(diff, data_name, list(names), {})
    cost = yield from cost_of(diff, data_name, rows.read, ("sizes of the arrays of a Nested",))
    if cost.open:
        return "", Cost()
    counts = [f"countIf({pair.unequal})" for pair in pairs]
    examples = [
        f"anyIf(toString(tuple({quote_name(pair.new.name)}, {quote_name(pair.beside.name)})), {pair.unequal})"
        for pair in pairs
    ]
    try:
        found = yield from ask_shards(
            diff.shards, [*counts, *examples], f"FROM {rows.source}", COMPARE_SETTINGS, long=True
        )
    except StatementError as error:
        if is_transient(error.code):
            raise
        return "", cost  # a default that fails is told of by itself (failing_defaults)
    said: list[str] = []
    for place, pair in enumerate(pairs):
        count = sum(number(row[place]) for row in found)
        example = next((text(row[len(pairs) + place]) for row in found if number(row[place])), "")
        if count:
            said.append(_sentence(diff, pair, count, example))
    return "; ".join(said), cost


def _pairs(diff: TableDiff) -> Sequence[_Pair]:
    """Arrays of which the engine does not take care itself: it gives one without a default the size of the others."""
    form = diff.target.form
    if not form.merge_tree and form.engine not in OWN_ROWS:
        return ()
    found: list[_Pair] = []
    for column in form.columns:
        if not ("." in column.name and column.stored and is_array(column) and _comes(diff, column)):
            continue
        others = [leaf for leaf in leaves_of(column.name, form) if is_array(leaf)]
        # One that is there already says what size the rows have; without any the first of the new ones does.
        settled = [leaf for leaf in others if not _comes(diff, leaf) and _there(diff, leaf)]
        beside = next(iter(settled or [leaf for leaf in others if _comes(diff, leaf)]), None)
        if beside is not None and (settled or all(pair.new.name != beside.name for pair in found)):
            found.append(_Pair(column, beside))
    return found


def _there(diff: TableDiff, column: ColumnForm) -> bool:
    return live_column(diff.form, diff.target.renames, column.name) is not None


def _comes(diff: TableDiff, column: ColumnForm) -> bool:
    """Its values are computed by an expression that knows nothing of the others, or were no arrays of this Nested."""
    if column.name in diff.column_expressions:
        return True
    old = live_column(diff.form, diff.target.renames, column.name)
    if old is None or old.kind == "EPHEMERAL":
        return bool(column.expression)
    nested = old.name.partition(".")[0] == column.name.partition(".")[0]
    return not (old.stored and is_array(old) and nested and "." in old.name)


def _sentence(diff: TableDiff, pair: _Pair, count: int, example: str) -> str:
    new, beside = pair.new.name, pair.beside.name
    have = rows_that(count, f"have another number of elements in {new} than in {beside}")
    shown = f", for instance {example[:200]}" if example else ""
    ways = [f"give {new} a default with as many (arrayMap(x -> ..., {quote_name(beside)}))"]
    ways += [f"drop {beside} first"] if beside in diff.target.undeclared else []
    return f"{have}{shown}, and the arrays of a Nested have one size in each row: {', or '.join(ways)}"
