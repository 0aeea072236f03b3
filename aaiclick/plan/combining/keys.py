"""Rows of one key that an engine combines, where an expression of the key gives other values."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.combining.looks import Combined, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.operations import MergeLook
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.comparisons import ComparisonResult
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine

_OLD = "_aaiclick_old_key"


def regrouped(diff: TableDiff, data_name: str, use: ColumnUse, seen: ComparisonResult) -> Routine[Combined]:
    """The hazard where rows of one key would get different keys, or rows of different keys the same one."""
    if diff.target.form.engine in KEEPS_EVERY_ROW:
        return Combined()
    if seen.failed:
        return Combined((_hazard(diff, use, ""),))
    if not seen.differs:
        # No row has another key yet.
        return Combined((), (_look(diff, diff.live.name, use),))
    found = (yield from look_for_plan(diff, data_name, lambda name: _look(diff, name, use))).combined
    return found if found is not None else Combined((_hazard(diff, use, ""),))


def _hazard(diff: TableDiff, use: ColumnUse, count: str) -> Hazard:
    within = " within a partition" if use.kind == "partition key" else ""
    message = (
        f"{diff.target.form.engine} combines rows of the same sort key{within}, and {use.words} gives other "
        f"values{count}: other rows of {diff.live.name} are combined"
    )
    key = "change-partition-key" if use.kind == "partition key" else "change-sort-key"
    return Hazard("loses-rows", message, f"{key} {diff.live.name}")


def _look(diff: TableDiff, name: str, use: ColumnUse) -> MergeLook:
    """Number of keys now, number of keys later, and number of different pairs of the two: as many pairs as keys on
    either side, where each old key becomes one new key, and no two the same."""
    new = f"tuple({', '.join(use.new)})"
    rows = rows_by(diff, name, use.new, {_OLD: f"tuple({', '.join(use.old)})"}, (_OLD, new))
    was, now, both = (f"uniqExact({key})" for key in (_OLD, new, f"({_OLD}, {new})"))
    said = _hazard(diff, use, "\0")
    said = replace(said, message=template(said.message).replace("\0", ": {0:key become} {1:,}"))
    counts = (was, now, f"{both} - {was}", f"{both} - {now}")
    return merge_look(counts, rows, [finding((2,), said), finding((3,), said)])
