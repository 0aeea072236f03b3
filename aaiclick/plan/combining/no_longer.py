"""Rows that an engine has still to combine, where the new engine combines none: what ``FINAL`` leaves out or takes
together is shown as it is from then on."""

from __future__ import annotations

from aaiclick.clickhouse.shared.ask_shards import shards_answered
from aaiclick.diff.changes.keys import KEEPS_EVERY_ROW
from aaiclick.diff.hazards import Hazard
from aaiclick.diff.merging import merging_engine
from aaiclick.plan.combining.looks import Combined
from aaiclick.plan.proof.rows import COMPARE_SETTINGS
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_text
from aaiclick.routine import Routine, number
from aaiclick.sql.quoting import qualified


def no_longer_combined(diff: TableDiff, data_name: str) -> Routine[Combined]:
    """The hazard where the table, whose new engine keeps every row, has such rows. Rows of later INSERTs are not
    counted: that engine keeps them in any case."""
    if diff.form.engine in KEEPS_EVERY_ROW or not diff.live.rows:
        return Combined()
    if diff.reads_no_rows:
        return Combined((_hazard(diff, "rows"),))
    table = qualified(diff.database, data_name)
    where = f" WHERE {diff.where}" if diff.where else ""
    # In one question, so that a part which comes meanwhile is in both.
    counts = ["toInt64(countIf(plain)) - toInt64(countIf(NOT plain))"]
    both = f"FROM (SELECT 1 AS plain FROM {table}{where} UNION ALL SELECT 0 AS plain FROM {table} FINAL{where})"
    answers = yield from shards_answered(diff.shards, counts, both, COMPARE_SETTINGS, long=True)
    if answers is None:
        return Combined((_hazard(diff, "rows"),))
    # FINAL never shows more rows of a shard than there are.
    hidden = sum(max(number(answer[0]), 0) for answer in answers)
    return Combined((_hazard(diff, rows_text(hidden)),)) if hidden else Combined()


def _hazard(diff: TableDiff, rows: str) -> Hazard:
    table = diff.live.name
    said = (
        f"{diff.target.form.engine} combines no rows: {rows} of {table} that FINAL leaves out, because "
        f"{merging_engine(diff.form)} has still to combine or remove them, will stay and be shown"
    )
    return Hazard("changes-values", said, f"change-engine {table}")
