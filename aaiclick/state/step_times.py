"""What the steps of earlier runs took: the plans that were recorded say it."""

from __future__ import annotations

from aaiclick.clickhouse.names import RECORDS
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping, read_ready
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.quoting import qualified

MOST_RECORDS = 20
"""So many of the last transitions are asked how long their steps took."""


def steps_taken(database: str, least: int) -> Routine[tuple[tuple[str, int, float], ...]]:
    """Strategy, bytes and seconds of the steps of the last runs in this database that read ``least`` bytes or more."""
    books = yield from read_bookkeeping(database)
    yield from read_ready(books, RECORDS)
    # Plans of earlier releases do not say it.
    plans = (
        f"SELECT plan FROM {qualified(books.home, RECORDS)} WHERE state = 'applied' AND position(plan, '\"took\": ') > "
        f"0 ORDER BY seq DESC LIMIT {MOST_RECORDS}"
    )
    rows = yield from rows_or_refusal(
        Query(
            "SELECT JSONExtractString(step, 'strategy'), JSONExtractUInt(step, 'bytes') AS size, "
            "JSONExtractFloat(step, 'took') AS took FROM"
            f" (SELECT arrayJoin(JSONExtractArrayRaw(plan, 'steps')) AS step FROM ({plans})) WHERE size >= {least} AND "
            "took > 0"
        )
    )
    return tuple((text(strategy), number(size), float(took or 0)) for strategy, size, took in rows or ())
