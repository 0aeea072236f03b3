"""Columns by which an engine combines rows, and that a migration fills with an expression.

The text of the key stays the same, so the definitions do not show it. It is counted over the rows as they are and as
the copy would write them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.messages import shortened
from aaiclick.clickhouse.shared.ask_shards import first_text, shards_answered
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import ORDER, REMOVE, merging_engine, role
from aaiclick.diff.reached import through_aliases
from aaiclick.diff.target import live_column
from aaiclick.plan.combining.looks import Combined, SomeRows, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.operations import MergeLook
from aaiclick.plan.proof.rows import COMPARE_SETTINGS
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

_KEY, _WAS, _PAIRS = "_aaiclick_old_key", "_aaiclick_was", "_aaiclick_pairs"


def refills(diff: TableDiff, expression: str) -> frozenset[str]:
    """Columns of a key that a migration fills with an expression."""
    if not diff.column_expressions:
        return frozenset()
    filled = [
        name
        for name in diff.column_expressions
        if (column := diff.target.form.column(name)) is not None and column.stored
    ]
    reached = through_aliases(diff.target.form, filled)
    return frozenset(mentioned(expression, reached))


def refilled(diff: TableDiff, data_name: str, key: Sequence[str], old_key: Sequence[str]) -> Routine[Combined]:
    """The hazard where a version, a sign or a deletion mark becomes another one.

    ``key`` is the sort key of the target, ``old_key`` that of the live table.
    """
    found = Combined()
    for column in diff.target.form.columns:
        said = role(diff.target.form, column)
        # Only these decide which rows a merge keeps; any other column is a value like all others.
        if column.name not in diff.column_expressions or said not in (ORDER, REMOVE):
            continue
        source = live_column(diff.form, diff.target.renames, column.name)
        if source is None or source.kind == "EPHEMERAL":
            if diff.live.rows:
                found = found.plus(Combined((_hazard(diff, column.name, said),)))
            continue
        asking = _Asking(diff, column.name, source.name, said, tuple(key), tuple(old_key))
        seen = yield from look_for_plan(diff, data_name, asking.look)
        if seen.combined is None or (seen.combined.hazards and diff.live.rows):
            example = (yield from asking.example(data_name)) if seen.counts else ""
            found = found.plus(Combined((_hazard(diff, column.name, said, seen.counts, example),)))
        else:
            found = found.plus(seen.combined)
    return found


def _hazard(diff: TableDiff, name: str, said: str, counts: Sequence[int] | None = None, example: str = "") -> Hazard:
    message = _message(diff, name, said)
    if counts is not None:
        message += f" ({count_text(counts[0], 'key' if said == ORDER else 'row')}, for instance {example})"
    return Hazard("loses-rows", message, f"change-sort-key {diff.live.name}")


def _message(diff: TableDiff, name: str, said: str) -> str:
    table, engine = diff.live.name, merging_engine(diff.target.form)
    what = f"other rows of {table} survive" if said == ORDER else f"merges remove other rows of {table}"
    return f"{engine}: merges {said.format(name)}, which becomes {diff.column_expressions[name]}: {what}"


@dataclass(frozen=True, slots=True)
class _Asking:
    """A column by which merges choose, and what it was filled with before."""

    diff: TableDiff
    """The table."""
    new: str
    """The column."""
    old: str
    """What it was called."""
    said: str
    """What merges do with it."""
    key: tuple[str, ...]
    """The sort key of the target."""
    old_key: tuple[str, ...]
    """That of the live table."""

    def look(self, name: str) -> MergeLook:
        """How many keys, or rows, are another matter for merges."""
        rows, count = self._rows(name), f"toUInt64(countIf({self._bad}))"
        what = "key" if self.said == ORDER else "row"
        message = f"{template(_message(self.diff, self.new, self.said))} ({{0:{what}}})"
        said = Hazard("loses-rows", message, f"change-sort-key {self.diff.live.name}")
        grouped = SomeRows(self._grouped(rows.source), self._grouped(rows.near))
        return merge_look([count], grouped, [finding((0,), said)])

    def example(self, data_name: str) -> Routine[str]:
        """One of them."""
        shown = f"anyIf({self._example}, {self._bad})"
        source = f"FROM {self._grouped(self._rows(data_name).source)}"
        rows = yield from shards_answered(self.diff.shards, [shown], source, COMPARE_SETTINGS, long=True)
        return shortened(first_text(row[0] for row in rows or ()))

    def _rows(self, name: str) -> SomeRows:
        carried = {_KEY: f"tuple({', '.join(self.old_key)})", _WAS: quote_name(self.old)}
        by_key = self.said == ORDER
        needed = [*(self.key if by_key else ()), quote_name(self.new)]
        return rows_by(self.diff, name, needed, carried, (_KEY,) if by_key else ())

    def _grouped(self, source: str) -> str:
        if not source or self.said != ORDER:
            return source
        pairs = f"arraySort(groupUniqArray(tuple({_WAS}, {quote_name(self.new)})))"
        return f"(SELECT {_KEY}, {pairs} AS {_PAIRS} FROM {source} GROUP BY {_KEY})"

    @property
    def _bad(self) -> str:
        if self.said == ORDER:
            # Two rows of a key that sort differently by the new value, or that become equal, or no longer are. Sorted
            # by the old value: wrong where two rows share it, or the new one does not rise with it, as NULL never does.
            wrong = "(a, b) -> a.1 = b.1 OR NOT ifNull(a.2 < b.2, 0)"
            return f"arrayExists({wrong}, arrayPopBack({_PAIRS}), arrayPopFront({_PAIRS}))"
        # Where one of them is NULL the comparison is NULL, too: the two differ unless both are.
        new = quote_name(self.new)
        return f"ifNull({_WAS} != {new}, isNull({_WAS}) != isNull({new}))"

    @property
    def _example(self) -> str:
        if self.said == ORDER:
            return f"concat(toString({_KEY}), ': ', toString({_PAIRS}))"
        return (
            f"concat(toString({_KEY}), ': ', toString(tuple({_WAS})), ' -> ', toString(tuple({quote_name(self.new)})))"
        )
