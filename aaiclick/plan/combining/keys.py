"""Rows of one key that an engine combines, where an expression of the key gives other values."""

from __future__ import annotations

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.comparisons import ComparisonResult
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_that
from aaiclick.routine import Routine, number

_OLD = "_aaiclick_old_key"


def regrouped(diff: TableDiff, data_name: str, use: ColumnUse, seen: ComparisonResult) -> Routine[tuple[Hazard, ...]]:
    """The hazard where rows of one key would get different keys, or rows of different keys the same one."""
    engine = diff.target.form.engine
    if engine in KEEPS_EVERY_ROW or (not seen.differs and not seen.failed):
        return ()
    keys = (yield from _groups(diff, data_name, use)) if not seen.failed else None
    # As many pairs as keys on either side: each old key becomes one new key, and no two the same.
    if keys is not None and keys[0] == keys[1] == keys[2]:
        return ()
    counted = f": {count_that(keys[0], 'key', 'become')} {keys[1]:,}" if keys is not None else ""
    within = " within a partition" if use.kind == "partition key" else ""
    message = (
        f"{engine} combines rows of the same sort key{within}, and {use.words} gives other values{counted}: other "
        f"rows of {diff.live.name} are combined"
    )
    key = "change-partition-key" if use.kind == "partition key" else "change-sort-key"
    return (Hazard("loses-rows", message, f"{key} {diff.live.name}"),)


def _groups(diff: TableDiff, data_name: str, use: ColumnUse) -> Routine[tuple[int, int, int] | None]:
    """Number of keys now, number of keys later, and number of different pairs of the two."""
    new = f"tuple({', '.join(use.new)})"
    rows = future_rows(diff, data_name, use.new, {_OLD: f"tuple({', '.join(use.old)})"})
    counts = [f"uniqExact({key})" for key in (_OLD, new, f"({_OLD}, {new})")]
    answer = yield from shards_answered(diff.shards, counts, f"FROM {rows.source}", COMPARE_SETTINGS, long=True)
    if answer is None:
        return None
    # Keys of each shard: its rows are combined with no other one's.
    old, changed, both = (sum(map(number, values)) for values in zip(*answer, strict=True))
    return old, changed, both
