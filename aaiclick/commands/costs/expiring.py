"""Rows that a new TTL deletes as soon as it is there."""

from __future__ import annotations

from aaiclick.catalog.forms import LiveObject, TableForm
from aaiclick.clickhouse.refusable import answered
from aaiclick.diff.changes.ttl import keeps_all
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.expressions import expression_end
from aaiclick.sql.quoting import qualified
from aaiclick.sql.tokens import Tokens, split_top

_KEEPS = ("TO", "GROUP", "RECOMPRESS")
"""What an element does instead of deleting: it moves parts, combines rows, or packs them anew."""


def expiring_rows(database: str, live: LiveObject, wanted: TableForm) -> Routine[int | None]:
    """How many rows are past the TTL of ``wanted`` by now, and past none that the table has; None where the TTL deletes
    no more than before, and where that cannot be counted (a column that is not there yet)."""
    form = live.form
    if not isinstance(form, TableForm) or not wanted.ttl or keeps_all(form.ttl, wanted.ttl):
        return None
    past, before = past_ttl(wanted.ttl), past_ttl(form.ttl)
    if not past:
        return None
    condition = f"({past}) AND NOT ({before})" if before else past
    rows = yield from answered(
        Query(
            f"SELECT toUInt64(countIf({condition})) FROM {qualified(database, live.name)}",
            {},
            {"max_execution_time": 60},
            long=True,
        )
    )
    return number(rows[0][0]) if rows else None


def past_ttl(ttl: str) -> str:
    """The condition under which a row is deleted now; '' where no element of the TTL deletes."""
    found: list[str] = []
    for element in split_top(ttl):
        tokens = Tokens(element)
        end = expression_end(tokens, 0, len(tokens))
        if any(tokens.is_word(end, word) for word in _KEEPS):
            continue
        # The server deletes what has a time that is not 0 and lies behind.
        at = f"toInt64(toDateTime64({tokens.slice(0, end)}, 0))"
        said = f"ifNull({at} > 0 AND {at} <= toInt64(now()), 0)"
        where = next((place for place in range(end, len(tokens)) if tokens.is_word(place, "WHERE")), None)
        if where is not None:
            said += f" AND ifNull(({tokens.slice(where + 1, expression_end(tokens, where + 1, len(tokens)))}) != 0, 0)"
        found.append(f"({said})")
    return " OR ".join(found)
