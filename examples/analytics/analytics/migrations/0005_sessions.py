"""Sessions of the days that are over, day by day.

A killed migration goes on at its bookmark. A day is written by one INSERT of one block, which is there as a whole or
not at all, so the day behind the bookmark is left out if it is there already.
"""

from aaiclick import Migration
from aaiclick.specs.moves import MoveContext

FILL = """
INSERT INTO {target}
SELECT toDate(min(at)) AS day, host, visitor, min(at) AS began, max(at) AS ended, count() AS pages
FROM (
    SELECT host, visitor, at,
        sum(starts) OVER (PARTITION BY host, visitor ORDER BY at ROWS UNBOUNDED PRECEDING) AS session
    FROM (
        SELECT host, visitor, at,
            at > lagInFrame(at, 1, toDateTime64('1970-01-01 00:00:00', 3, 'UTC')) OVER (
                PARTITION BY host, visitor ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ) + INTERVAL 30 MINUTE AS starts
        FROM {source}
        WHERE toDate(at) = '{day}'
    )
)
GROUP BY host, visitor, session
"""


def move(context: MoveContext) -> None:
    """Fill ``sessions`` from ``hits``."""
    source, target = context.table("hits"), context.table("sessions")
    found = context.client.query(f"SELECT DISTINCT toDate(at) AS day FROM {source} WHERE day < today() ORDER BY day")
    days = [str(day) for (day,) in found.result_rows if context.bookmark is None or str(day) > str(context.bookmark)]
    for done, day in enumerate(days, start=1):
        there = context.client.query(f"SELECT count() FROM {target} WHERE day = '{day}'").result_rows
        if not int(there[0][0]):
            context.client.command(FILL.format(source=source, target=target, day=day))
        context.set_bookmark(day)
        context.progress(done, len(days))


migration = Migration(version=5, title="sessions", oldest_code=4, move=move)
