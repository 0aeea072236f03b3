"""Columns that leave the key of an engine that combines rows, or come into it: the rows of a key may stay the same, and
merges make something else of their values.

In a SummingMergeTree ordered by (k, x), two rows (1, 3) are one row (1, 3) after a merge; ordered by k they are (1, 6).
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.conversion.combining import combined_by
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine, repeats_count, role
from aaiclick.diff.target import live_column
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_text
from aaiclick.routine import Routine, number

_KEY = "_aaiclick_key"


def combined_otherwise(
    diff: TableDiff, data_name: str, old: Sequence[str], new: Sequence[str]
) -> Routine[tuple[Hazard, ...]]:
    """The hazard where rows of one key hold values that merges add up on one side of the change only.

    ``old`` and ``new`` are the elements of the sort key before and after.
    """
    leaving, entering = _moved(diff)
    if not leaving and not entering:
        return ()
    count: int | None = None
    if not diff.reads_no_rows:
        # Rows beside others of their key: of the new one where a column leaves it, of the old one where it comes in.
        rows = future_rows(diff, data_name, new, {_KEY: f"tuple({', '.join(old)})"})
        key = f"tuple({', '.join(new)})" if leaving else _KEY
        beside = [f"count() - uniqExact(sipHash128({key}))"]
        found = yield from shards_answered(diff.shards, beside, f"FROM {rows.source}", COMPARE_SETTINGS, long=True)
        count = sum(number(row[0]) for row in found) if found is not None else None
    if count == 0:
        return ()
    table, engine = diff.live.name, merging_engine(diff.target.form)
    said = [f"{name} leaves the sort key, and its values are combined from now on" for name in leaving]
    said += [f"{name} comes into the sort key, and its values are no longer combined" for name in entering]
    counted = (
        f" ({rows_text(count)} of {table} {'stands' if count == 1 else 'stand'} beside others of their key)"
        if count is not None
        else ""
    )
    message = f"{engine} combines rows of the same sort key: {', '.join(said)}{counted}"
    return (Hazard("changes-values", message, f"change-sort-key {table}"),)


def _moved(diff: TableDiff) -> tuple[list[str], list[str]]:
    """Columns that leave the key, and those that come into it, where merges make a sum or the like of their values."""
    leaving: list[str] = []
    entering: list[str] = []
    for column in diff.target.form.columns:
        before = live_column(diff.form, diff.target.renames, column.name)
        if before is None or not (before.stored and column.stored):
            continue
        # Between two roles outside of the keys it is another hazard, unless the type has a function of its own.
        apart = role(diff.form, before) and role(diff.target.form, column)
        if apart and not combined_by(before.type) == combined_by(column.type) != "":
            continue
        was, is_now = repeats_count(diff.form, before), repeats_count(diff.target.form, column)
        if is_now and not was:
            leaving.append(column.name)
        if was and not is_now:
            entering.append(column.name)
    return leaving, entering
