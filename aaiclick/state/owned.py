"""What of this library's own is in a database, in one question.

Most runs find nothing but their own lease. Each thing that a dead run may have left has its own way of being looked for; under the lease,
where nobody else of ours makes anything, one look at the names says which of these ways need not be gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from aaiclick.routine import Query, Routine, text
from aaiclick.server.names import BEATS, JOURNAL, LOCK, PREFIX, RECORDS, TOMBSTONE_PREFIX
from aaiclick.sql.hex_text import hexed

_SCRATCH_PREFIX = f"{PREFIX}scratch_"
_BOOKKEEPING = frozenset({LOCK, BEATS, JOURNAL, RECORDS})


@dataclass(frozen=True, slots=True)
class Overview:
    """``recorded``: the table of the records is there. ``remains``: so is something of ours beside the bookkeeping, such as a mark, a table
    of a rebuild, a kept table, or a scratch database of any run. ``known``: so is something that the run asked for by name.
    ``graves``: so is a former lock, which is taken away when its time is over. ``journal``: so is the journal."""

    recorded: bool
    remains: bool
    known: bool
    graves: bool = False
    journal: bool = False


def overview(database: str, asked: Collection[str] = ()) -> Routine[Overview]:
    """Look at the names. Under the lease this stays true but for what the run itself makes, and for what users create and drop."""
    rows = yield Query(
        "SELECT name FROM system.tables WHERE database = unhex({db:String}) AND (startsWith(name, {prefix:String})"
        " OR has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name))"
        " UNION ALL SELECT name FROM system.databases WHERE startsWith(name, {scratch:String})",
        {"db": hexed(database), "prefix": PREFIX, "names": ",".join(hexed(name) for name in (RECORDS, *asked)), "scratch": _SCRATCH_PREFIX},
    )
    names = {text(row[0]) for row in rows}
    ours = {name for name in names if name.startswith(PREFIX)}
    remains = any(name not in _BOOKKEEPING and not name.startswith(TOMBSTONE_PREFIX) for name in ours)
    graves = any(name.startswith(TOMBSTONE_PREFIX) for name in ours)
    return Overview(RECORDS in names, remains, not names.isdisjoint(asked), graves, JOURNAL in names)
