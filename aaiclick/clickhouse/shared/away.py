"""Storages that no host shows any more, and that may come back all the same: detached, or dropped a moment ago."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.ask_all import require_all, servers
from aaiclick.clickhouse.storages import AWAY
from aaiclick.clickhouse.topology import PROOF, named
from aaiclick.routine import Query, Routine, Rows, number


def away_on_hosts(reach: Reach, uuids: Collection[str], what: str) -> Routine[str]:
    """How storages with these UUIDs may come back: what was done to one of them, and on which hosts, for a sentence. ''
    where no host lists any: they are there, gone for good, or in a database that was detached as a whole.

    Raises ApplyError, ``what`` in front, where a host does not answer: it may have one.
    """
    wanted = ",".join(sorted(filter(None, uuids)))
    for how, listed in AWAY:
        rows = yield from _listed(reach, listed, wanted, what)
        if places := {number(row[0]) for row in rows}:
            return f"{how} on host {named(reach.topology, places)}"
    return ""


def _listed(reach: Reach, table: str, uuids: str, what: str) -> Routine[Rows]:
    query = Query(
        f"SELECT DISTINCT toInt64(_shard_num) FROM {reach.topology.everywhere(table)} WHERE "
        "has(splitByChar(',', {uuids:String}), toString(uuid))",
        {"uuids": uuids},
        PROOF,
    )
    rows = yield from rows_or_refusal(query)
    if rows is None:
        require_all(reach, (yield from servers(reach.topology)), what)
        # All of them answer: it was a host that has come back meanwhile, or an older server without such a table, or
        # one that this user may not read.
        rows = yield from rows_or_refusal(query)
    return rows or ()
