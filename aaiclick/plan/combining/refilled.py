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
from aaiclick.diff.target import live_column
from aaiclick.plan.proof.column_uses import through_aliases
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine, number
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_name

_KEY, _WAS, _PAIRS = "_aaiclick_old_key", "_aaiclick_was", "_aaiclick_pairs"


@dataclass(frozen=True, slots=True)
class _Found:
    count: int
    example: str = ""


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


def refilled(
    diff: TableDiff, data_name: str, key: Sequence[str], old_key: Sequence[str]
) -> Routine[tuple[Hazard, ...]]:
    """The hazard where a version, a sign or a deletion mark becomes another one.

    ``key`` is the sort key of the target, ``old_key`` that of the live table.
    """
    found: list[Hazard] = []
    for column in diff.target.form.columns:
        said = role(diff.target.form, column)
        # Only these decide which rows a merge keeps; any other column is a value like all others.
        if column.name not in diff.column_expressions or said not in (ORDER, REMOVE):
            continue
        source = live_column(diff.form, diff.target.renames, column.name)
        counted: _Found | None = None
        if source is not None and source.kind != "EPHEMERAL" and not diff.reads_no_rows:
            counted = yield from (_moved if said == ORDER else _changed)(
                diff, data_name, key, old_key, source.name, column.name
            )
        if counted is not None and not counted.count:
            continue
        found.append(_hazard(diff, column.name, said, counted))
    return tuple(found)


def _hazard(diff: TableDiff, name: str, said: str, counted: _Found | None) -> Hazard:
    table, engine = diff.live.name, merging_engine(diff.target.form)
    what = f"other rows of {table} survive" if said == ORDER else f"merges remove other rows of {table}"
    message = f"{engine}: merges {said.format(name)}, which becomes {diff.column_expressions[name]}: {what}"
    if counted is not None:
        message += f" ({count_text(counted.count, 'key' if said == ORDER else 'row')}, for instance {counted.example})"
    return Hazard("loses-rows", message, f"change-sort-key {table}")


def _moved(
    diff: TableDiff, data_name: str, key: Sequence[str], old_key: Sequence[str], old: str, new: str
) -> Routine[_Found | None]:
    """Keys with two rows that sort differently by the new value, or that become equal, or no longer are."""
    rows = future_rows(
        diff, data_name, [*key, quote_name(new)], {_KEY: f"tuple({', '.join(old_key)})", _WAS: quote_name(old)}
    )
    pairs = f"arraySort(groupUniqArray(tuple({_WAS}, {quote_name(new)})))"
    # Sorted by the old value: wrong where two rows share it, or the new one does not rise with it, as NULL never does.
    bad = (
        f"arrayExists((a, b) -> a.1 = b.1 OR NOT ifNull(a.2 < b.2, 0), arrayPopBack({_PAIRS}), arrayPopFront({_PAIRS}))"
    )
    grouped = f"(SELECT {_KEY}, {pairs} AS {_PAIRS} FROM {rows.source} GROUP BY {_KEY})"
    return (
        yield from _ask(
            diff,
            [f"toUInt64(countIf({bad}))", f"anyIf(concat(toString({_KEY}), ': ', toString({_PAIRS})), {bad})"],
            grouped,
        )
    )


def _changed(
    diff: TableDiff, data_name: str, key: Sequence[str], old_key: Sequence[str], old: str, new: str
) -> Routine[_Found | None]:
    """Rows with another value."""
    del key
    rows = future_rows(
        diff, data_name, [quote_name(new)], {_KEY: f"tuple({', '.join(old_key)})", _WAS: quote_name(old)}
    )
    # Where one of them is NULL the comparison is NULL, too: the two differ unless both are.
    differs = f"ifNull({_WAS} != {quote_name(new)}, isNull({_WAS}) != isNull({quote_name(new)}))"
    example = f"concat(toString({_KEY}), ': ', toString(tuple({_WAS})), ' -> ', toString(tuple({quote_name(new)})))"
    return (yield from _ask(diff, [f"toUInt64(countIf({differs}))", f"anyIf({example}, {differs})"], rows.source))


def _ask(diff: TableDiff, columns: Sequence[str], source: str) -> Routine[_Found | None]:
    """None where the engine cannot tell."""
    rows = yield from shards_answered(diff.shards, columns, f"FROM {source}", COMPARE_SETTINGS, long=True)
    if rows is None:
        return None
    return _Found(sum(number(row[0]) for row in rows), shortened(first_text(row[1] for row in rows)))
