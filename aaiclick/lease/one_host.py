"""Whether a release that knows no clusters, or a start that was allowed to take the cluster for one node, migrates the
database: its lock is a table of the host that it talks to.

Its heartbeats are rows of another table of that host. Each is an INSERT, so the number of rows tells whether it lives.
Nothing of it is changed from here: a dead lock is left to whoever made it.
"""

from __future__ import annotations

from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping
from aaiclick.clickhouse.topology import GLANCE
from aaiclick.events import Waiting
from aaiclick.lease.lock import parse_holder
from aaiclick.lease.names import BEATS, LOCK
from aaiclick.routine import Emit, Query, Routine, Sleep, number, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_string

_LOOKS = 10
"""How often a lock is looked at in the time that its holder has: one heartbeat in it shows that it lives."""


def one_host_holder(books: Bookkeeping, seconds: float) -> Routine[str]:
    """Who holds such a lock and lives, in words; '' for nobody. A lock is watched for its whole lease time once."""
    seen = yield from _locks(books)
    if not seen:
        return ""
    # The longest that any of them was granted: a shorter watch could miss a live one.
    granted = max(seconds, *(parse_holder(comment, uuid).seconds for _, comment, uuid, _ in seen))
    yield Emit(Waiting("whether an earlier release migrates this database on one of its hosts", 0.0))
    for _ in range(_LOOKS + 1):
        yield Sleep(granted / _LOOKS)
        now = yield from _locks(books)
        # More rows of heartbeats, or another lock: somebody is alive.
        for lock in now - seen:
            host, comment, uuid, _ = lock
            return f"{parse_holder(comment, uuid).owner} migrates it on host {host} alone"
        if not now:
            return ""
    return ""


def _locks(books: Bookkeeping) -> Routine[frozenset[tuple[str, str, str, int]]]:
    rows = yield Query(
        "SELECT toUInt64(_shard_num), anyIf(comment, name = {lock:String}) AS said, anyIf(toString(uuid), name = "
        "{lock:String}), toUInt64(maxIf(coalesce(total_rows, 0), name = {beats:String})) FROM clusterAllReplicas("
        f"{quote_string(books.cluster)}, system.tables) WHERE database = unhex({{db:String}}) AND name IN "
        "({lock:String}, {beats:String}) GROUP BY _shard_num HAVING countIf(name = {lock:String}) > 0",
        {"db": hexed(books.database), "lock": LOCK, "beats": BEATS},
        GLANCE,
    )
    return frozenset(
        (books.host(number(place)), text(comment), text(uuid), number(beats)) for place, comment, uuid, beats in rows
    )
