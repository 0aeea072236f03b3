"""FINAL over several partitions: it takes rows of one sort key in the order of the partitions' ids.

A partition key of another type gives other ids (a UInt64 is its own id, an Int256 is hashed), and so another order: of
rows that the engine does not combine by their values it shows another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine, ties_matter
from aaiclick.plan.proof.column_uses import through_aliases
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import count_text
from aaiclick.routine import Routine, number
from aaiclick.sql.column_names import mentioned

_KEY, _WAS, _IDS = "_aaiclick_key", "_aaiclick_was", "_aaiclick_ids"


def reordered_partitions(
    diff: TableDiff, data_name: str, key: Sequence[str], old: Sequence[str], new: Sequence[str]
) -> Routine[tuple[Hazard, ...]]:
    """The hazard where partitions with rows of one sort key come in another order.

    ``key`` is the sort key of the live table, ``old`` and ``new`` are the elements of the partition key before and
    after.
    """
    form = diff.target.form
    retyped = [change.new.name for change in diff.changes if isinstance(change, RetypeColumn)]
    if not new or not ties_matter(form) or not mentioned(form.partition_by, through_aliases(form, retyped)):
        return ()
    count: int | None = None
    if not diff.reads_no_rows:
        ids = f"partitionId({', '.join(new)})"
        rows = future_rows(
            diff, data_name, new, {_KEY: f"tuple({', '.join(key)})", _WAS: f"partitionId({', '.join(old)})"}
        )
        # By the old ids; where the new ones do not go up with them, the order is another one.
        sorted_ids = f"arraySort(groupUniqArray(tuple({_WAS}, {ids})))"
        other = f"arrayExists((a, b) -> a.2 >= b.2, arrayPopBack({_IDS}), arrayPopFront({_IDS}))"
        grouped = f"(SELECT {_KEY}, {sorted_ids} AS {_IDS} FROM {rows.source} GROUP BY {_KEY})"
        reordered = [f"toUInt64(countIf({other}))"]
        found = yield from shards_answered(diff.shards, reordered, f"FROM {grouped}", COMPARE_SETTINGS, long=True)
        count = sum(number(row[0]) for row in found) if found is not None else None
    if count == 0:
        return ()
    said = f" (rows of {count_text(count, 'key')} lie in several)" if count is not None else ""
    return (
        Hazard(
            "changes-values",
            f"{merging_engine(form)} with FINAL takes rows of one sort key in the order of their partitions, which "
            f"{', '.join(retyped)} changes: it shows other rows of {diff.live.name}{said}",
            f"change-partition-key {diff.live.name}",
        ),
    )
