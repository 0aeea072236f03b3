"""Storages that no host shows any more, and that may come back all the same: detached, or dropped a moment ago."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.shared.ask_all import ask_all, require_all, servers
from aaiclick.clickhouse.storages import AWAY
from aaiclick.clickhouse.topology import PROOF, named
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.hex_text import unhexed


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


def moved_on_hosts(reach: Reach, uuids: Sequence[str], what: str) -> Routine[tuple[str, str] | None]:
    """Database and name that all hosts show for these storages, one for each in the order of the cluster; None where
    they show none, or not one and the same.

    Raises ApplyError, ``what`` in front, where a host does not answer.
    """
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num), hex(database), hex(name), toString(uuid) FROM "
        f"{reach.topology.everywhere('system.tables')} WHERE has(splitByChar(',', {{uuids:String}}), toString(uuid))",
        {"uuids": ",".join(sorted(filter(None, uuids)))},
        what,
    )
    there = {
        number(place): (unhexed(text(database)), unhexed(text(name)))
        for place, database, name, uuid in rows
        if text(uuid) == uuids[number(place) - 1]
    }
    return there[min(there)] if there.keys() == reach.places and len(set(there.values())) == 1 else None


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
