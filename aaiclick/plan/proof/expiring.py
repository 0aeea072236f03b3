"""Rows and values that a TTL would delete earlier because a column that it reads changes."""

from __future__ import annotations

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.comparisons import ComparisonResult
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_text
from aaiclick.routine import Routine, number


def expires(diff: TableDiff, data_name: str, use: ColumnUse, seen: ComparisonResult) -> Routine[tuple[Hazard, ...]]:
    """The hazard where a row would expire earlier than now."""
    earlier = (yield from _earlier(diff, data_name, use)) if not seen.failed else None
    if earlier == 0:
        return ()
    table, name = diff.live.name, use.name
    count = rows_text(earlier) if earlier is not None else "rows"
    what = f"values of {table}.{name} in {count}" if name else f"{count} of {table}"
    message = (
        f"{what} are past their TTL earlier, because it gives another time ({use.body}): by a later merge they are gone"
    )
    return (
        Hazard("changes-values" if name else "loses-rows", message, f"change-ttl {table}{f'.{name}' if name else ''}"),
    )


def _earlier(diff: TableDiff, data_name: str, use: ColumnUse) -> Routine[int | None]:
    carried = {f"_aaiclick_old_{place}": expression for place, expression in enumerate(use.old)}
    rows = future_rows(diff, data_name, use.new, carried)
    pairs = list(zip(carried, use.new, strict=True))
    # The WHERE of a TTL is 0 or 1: a row that did not meet it before and does so now is deleted, too.
    sooner = " OR ".join(f"{old} < {new}" if new.startswith("ifNull(") else f"{new} < {old}" for old, new in pairs)
    count = [f"toUInt64(countIf({sooner}))"]
    answer = yield from shards_answered(diff.shards, count, f"FROM {rows.source}", COMPARE_SETTINGS, long=True)
    if answer is None:
        return None
    return sum(number(row[0]) for row in answer)
