"""Rows of one key, where the engine combines them: another value of the key may bring others together."""

from __future__ import annotations

from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.proof.evaluate import Seen
from aaiclick.plan.proof.readers import Reader
from aaiclick.plan.proof.rows import LOOK, future_rows
from aaiclick.plan.strategies.context import TableCase
from aaiclick.routine import Query, Routine, number
from aaiclick.server.refusable import answered

_OLD = "_aaiclick_old_key"


def regrouped(case: TableCase, data_name: str, reader: Reader, seen: Seen) -> Routine[tuple[Hazard, ...]]:
    """By name only where two rows of one key would have different ones, or the other way round."""
    engine = case.target.form.engine
    if engine in KEEPS_EVERY_ROW or (not seen.differs and not seen.failed):
        return ()
    keys = (yield from _groups(case, data_name, reader)) if not seen.failed else None
    if keys is not None and keys[0] == keys[1] == keys[2]:
        return ()
    counted = f": {keys[0]:,} keys become {keys[1]:,}" if keys is not None else ""
    within = " within a partition" if reader.kind == "partition key" else ""
    message = (
        f"{engine} combines rows of the same sort key{within}, and {reader.words} gives other values{counted}: other rows of {case.live.name} are combined"
    )
    key = "change-partition-key" if reader.kind == "partition key" else "change-sort-key"
    return (Hazard("loses-rows", message, f"{key} {case.live.name}"),)


def _groups(case: TableCase, data_name: str, reader: Reader) -> Routine[tuple[int, int, int] | None]:
    """How many keys there are, how many there will be, and how many pairs of the two."""
    new = f"tuple({', '.join(reader.new)})"
    rows = future_rows(case, data_name, reader.new, {_OLD: f"tuple({', '.join(reader.old)})"})
    answer = yield from answered(Query(f"SELECT uniqExact({_OLD}), uniqExact({new}), uniqExact(({_OLD}, {new})) FROM {rows.source}", {}, LOOK, long=True))
    if answer is None:
        return None
    return number(answer[0][0]), number(answer[0][1]), number(answer[0][2])
