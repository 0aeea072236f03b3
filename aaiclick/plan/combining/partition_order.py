"""FINAL over several partitions: it takes rows of one sort key in the order of the partitions' ids.

A partition key of another type gives other ids (a UInt64 is its own id, an Int256 is hashed), and so another order: of
rows that the engine does not combine by their values it shows another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine, ties_matter
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.combining.looks import Combined, SomeRows, finding, look_for_plan, merge_look, rows_by, template
from aaiclick.plan.operations import MergeLook
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned

_KEY, _WAS, _IDS = "_aaiclick_key", "_aaiclick_was", "_aaiclick_ids"


def reordered_partitions(
    diff: TableDiff, data_name: str, key: Sequence[str], old: Sequence[str], new: Sequence[str]
) -> Routine[Combined]:
    """The hazard where partitions with rows of one sort key come in another order.

    ``key`` is the sort key of the live table, ``old`` and ``new`` are the elements of the partition key before and
    after.
    """
    form, table = diff.target.form, diff.live.name
    retyped = [change.new.name for change in diff.changes if isinstance(change, RetypeColumn)]
    if not new or not ties_matter(form) or not mentioned(form.partition_by, through_aliases(form, retyped)):
        return Combined()
    message = (
        f"{merging_engine(form)} with FINAL takes rows of one sort key in the order of their partitions, which "
        f"{', '.join(retyped)} changes: it shows other rows of {table}"
    )
    allow = f"change-partition-key {table}"

    def look(name: str) -> MergeLook:
        ids = f"partitionId({', '.join(new)})"
        carried = {_KEY: f"tuple({', '.join(key)})", _WAS: f"partitionId({', '.join(old)})"}
        rows = rows_by(diff, name, new, carried, (_KEY,))
        # By the old ids; where the new ones do not go up with them, the order is another one.
        sorted_ids = f"arraySort(groupUniqArray(tuple({_WAS}, {ids})))"
        other = f"arrayExists((a, b) -> a.2 >= b.2, arrayPopBack({_IDS}), arrayPopFront({_IDS}))"
        grouped = [
            f"(SELECT {_KEY}, {sorted_ids} AS {_IDS} FROM {source} GROUP BY {_KEY})" if source else ""
            for source in (rows.source, rows.near)
        ]
        said = Hazard("changes-values", f"{template(message)} (rows of {{0:key}} lie in several)", allow)
        return merge_look([f"toUInt64(countIf({other}))"], SomeRows(*grouped), [finding((0,), said)])

    found = (yield from look_for_plan(diff, data_name, look)).combined
    return found if found is not None else Combined((Hazard("changes-values", message, allow),))
