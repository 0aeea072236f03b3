"""Columns that leave the key of an engine that combines rows, or come into it: the rows of a key may stay the same, and
merges make something else of their values.

In a SummingMergeTree ordered by (k, x), two rows (1, 3) are one row (1, 3) after a merge; ordered by k they are (1, 6).
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.diff.conversion.combining import combined_by
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine, repeats_count, role
from aaiclick.diff.target import live_column
from aaiclick.plan.combining.looks import Combined, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.operations import MergeLook
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine

_KEY = "_aaiclick_key"


def combined_otherwise(diff: TableDiff, data_name: str, old: Sequence[str], new: Sequence[str]) -> Routine[Combined]:
    """The hazard where rows of one key hold values that merges add up on one side of the change only.

    ``old`` and ``new`` are the elements of the sort key before and after.
    """
    leaving, entering = _moved(diff)
    if not leaving and not entering:
        return Combined()
    table, engine = diff.live.name, merging_engine(diff.target.form)
    said = [f"{name} leaves the sort key, and its values are combined from now on" for name in leaving]
    said += [f"{name} comes into the sort key, and its values are no longer combined" for name in entering]
    message, key = f"{engine} combines rows of the same sort key: {', '.join(said)}", f"change-sort-key {table}"

    def look(name: str) -> MergeLook:
        # Rows beside others of their key: of the new one where a column leaves it, of the old one where it comes in.
        of = f"tuple({', '.join(new)})" if leaving else _KEY
        rows = rows_by(diff, name, new, {_KEY: f"tuple({', '.join(old)})"}, (of,))
        begun, there = template(message), template(table)
        several = Hazard("changes-values", f"{begun} ({{0:,}} rows of {there} stand beside others of their key)", key)
        one = f"{begun} (1 row of {there} stands beside others of their key)"
        beside = f"count() - uniqExact(sipHash128({of}))"
        return merge_look([beside], rows, [finding((0,), several, one)])

    found = (yield from look_for_plan(diff, data_name, look)).combined
    return found if found is not None else Combined((Hazard("changes-values", message, key),))


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
