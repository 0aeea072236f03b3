"""Whether the hosts that are asked about rows have what others have written: a replica that is a second behind counts
fewer rows than there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import LOOK, Topology, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed

_SECONDS = 10.0
"""How long they may take to fetch what was written before the question. A replica that is far behind holds up
nobody: it is named."""
# What brings rows, or takes them away. Merges and mutations change none, or are waited for elsewhere.
_BRINGS = "type IN ('GET_PART', 'ATTACH_PART', 'REPLACE_RANGE', 'DROP_RANGE', 'DROP_PART')"


@dataclass(frozen=True, slots=True)
class _Log:
    """Where a replica is in the log of its table."""

    written: int
    """The last entry that is there."""
    read: int
    """The next entry that it will take into its queue."""
    waiting: frozenset[str]
    """Entries of its queue with rows that it lacks."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Entries that hosts had not carried out at a first look. What is written behind it is like what comes behind the
    answer."""

    entries: Mapping[int, _Log]
    """By the place of the host; empty where none of them lacks anything."""


def behind(topology: Topology, database: str, name: str) -> Routine[Behind]:
    """What the hosts lack that are asked about the rows of a replicated table: of its own shard the one that is
    connected to, of others each of those that answer. A server that does not tell lacks nothing."""
    found = yield from _logs(topology, database, name)
    return Behind({place: log for place, log in found.items() if log.read <= log.written or log.waiting})


def until_fetched(topology: Topology, database: str, name: str, lacked: Behind) -> Routine[str]:
    """Wait until hosts have what they ``lacked``; a sentence about those that do not come by it, '' where all have."""
    wait, left = Wait(0.05, 1.0), dict(lacked.entries)
    while left:
        if wait.waited >= _SECONDS:
            hosts = named(topology, left)
            verb = ("have", "they have") if len(left) > 1 else ("has", "it has")
            return (
                f"{'hosts' if len(left) > 1 else 'host'} {hosts} {verb[0]} not fetched rows of {name} that others have "
                f"written, in {wait.waited:.0f} s: run again when {verb[1]} (SELECT * FROM system.replication_queue)"
            )
        wait = yield from rest(wait, f"rows of {name} that a replica has not fetched" if wait.waited > 1 else "")
        now = yield from _logs(topology, database, name)
        left = {place: _left(left[place], now[place]) for place in left if place in now}
        left = {place: log for place, log in left.items() if log.read <= log.written or log.waiting}
    return ""


def _left(before: _Log, now: _Log) -> _Log:
    # As long as entries of then have not been taken into the queue, those in it are not all that count.
    if now.read <= before.written:
        return _Log(before.written, now.read, before.waiting)
    if before.read <= before.written:
        return _Log(-1, now.read, now.waiting)
    return _Log(-1, now.read, now.waiting & before.waiting)


def _logs(topology: Topology, database: str, name: str) -> Routine[Mapping[int, _Log]]:
    of_table = "database = unhex({db:String}) AND table = unhex({name:String})"
    waiting = (
        "SELECT database, table, groupArray(node_name) AS waiting FROM system.replication_queue WHERE "
        f"{of_table} AND {_BRINGS} GROUP BY database, table"
    )
    own = (
        "SELECT toInt64(log_max_index) AS written, toInt64(log_pointer) AS read, arrayStringConcat(waiting, ',') AS "
        f"names FROM (SELECT database, table, log_max_index, log_pointer FROM system.replicas WHERE {of_table}) AS r "
        f"LEFT JOIN ({waiting}) AS q USING (database, table)"
    )
    # Each host is asked as a shard of its own, and carries the whole question out.
    asked = topology.apart.each_shard(f"view({own})")
    rows = yield from rows_or_refusal(
        Query(
            f"SELECT toInt64(_shard_num), written, read, names FROM {asked}",
            {"db": hexed(database), "name": hexed(name)},
            LOOK,
        )
    )
    local = topology.local
    own_shard = topology.at(local).shard if local else 0
    found: dict[int, _Log] = {}
    for place, written, read, names in rows or ():
        asked_place = number(place)
        if topology.at(asked_place).shard != own_shard or asked_place == local:
            listed = frozenset(each for each in text(names).split(",") if each)
            found[asked_place] = _Log(number(written), number(read), listed)
    return found
