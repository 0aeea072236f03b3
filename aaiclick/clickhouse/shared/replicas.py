"""One replicated table on all hosts of its shard: which storage has its name where, what parts each replica has, and
whether it can take part in a copy now."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.shared.who_answers import ask_who_answers
from aaiclick.clickhouse.tables import shows_fence
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed

_UUIDS = "database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(name))"
_TABLE = "database = unhex({db:String}) AND table = unhex({name:String})"
_PART = "toInt64(_shard_num), partition_id, name, toInt64(rows), hash_of_all_files, toInt64(max_block_number)"


@dataclass(frozen=True, slots=True)
class Placed:
    """A table under one name on one host."""

    uuid: str
    """Its storage."""
    definition: str
    """Engine and settings, as this host has them."""
    created: str = ""
    """The CREATE text of this host."""

    @property
    def fenced(self) -> bool:
        """True while its constraint refuses writers."""
        return shows_fence(self.created)


Named = Mapping[int, Mapping[str, Placed]]
"""For each host that answered, by its place: the tables by name."""


def tables_everywhere(reach: Reach, database: str, names: Collection[str], what: str) -> Routine[Named]:
    """What has these names on every host. Raises ApplyError, ``what`` in front, where one does not answer."""
    rows = yield from ask_all(
        reach,
        _tables(reach.topology),
        {"db": hexed(database), "names": hexed_list(names)},
        what,
    )
    found = _named(rows)
    # What each host has is compared with what it had when the hosts were listed.
    reach.topology.require_known(found)
    return {place: found.get(place, {}) for place in reach.places}


def tables_by_name(topology: Topology, database: str, names: Collection[str], *, whole: bool = True) -> Routine[Named]:
    """What has these names on every host that answers. ``whole``: all are expected to."""
    # In hex: a name may hold a comma, or bytes that are no text.
    rows, answered = yield from ask_who_answers(
        topology,
        _tables(topology),
        "'', '', '', ''",
        {"db": hexed(database), "names": hexed_list(names)},
        whole=whole,
    )
    found = _named(rows)
    return {place: found.get(place, {}) for place in sorted(answered)}


def _tables(topology: Topology) -> str:
    return (
        f"SELECT toInt64(_shard_num), hex(name), toString(uuid), engine_full, create_table_query FROM "
        f"{topology.everywhere('system.tables')} WHERE {_UUIDS}"
    )


def _named(rows: Rows) -> Named:
    found: dict[int, dict[str, Placed]] = {}
    for place, name, uuid, definition, created in rows:
        listed = found.setdefault(number(place), {})
        if text(name):
            key = unhexed(text(name))
            listed[key] = Placed(text(uuid), text(definition), text(created))
    return found


PartKey = tuple[str, str, int, str]
"""Partition, name, rows and hash of all files of an active part."""


@dataclass(frozen=True, slots=True)
class PartsSeen:
    """The active parts of a table, host by host."""

    hosts: Mapping[int, frozenset[PartKey]]
    """For each host that answered, by its place."""
    highest: Mapping[int, Mapping[str, int]] = field(default_factory=dict[int, Mapping[str, int]])
    """For each of them the highest block number of each partition, for which they count anew."""

    def alike(self, reach: Reach) -> bool:
        """True where every host has the same parts."""
        return reach.places <= self.hosts.keys() and len({self.hosts[place] for place in reach.places}) == 1

    def differing(self, reach: Reach, place: int) -> tuple[int, ...]:
        """The hosts that have others than the host of ``place``, or do not answer."""
        wanted = self.hosts.get(place)
        return tuple(sorted(each for each in reach.places if self.hosts.get(each) != wanted))


def parts_on_hosts(topology: Topology, database: str, name: str, *, whole: bool = True) -> Routine[PartsSeen]:
    """The active parts of a table on every host that answers. Parts without rows are left out. ``whole``: all are
    expected to."""
    rows, answered = yield from ask_who_answers(
        topology,
        _parts(topology),
        "'', '', toInt64(0), '', toInt64(0)",
        {"db": hexed(database), "name": hexed(name)},
        whole=whole,
    )
    return _parts_seen(rows, answered)


def parts_on_all(reach: Reach, database: str, name: str) -> Routine[PartsSeen]:
    """The same of all hosts. Raises ApplyError where one does not answer."""
    rows = yield from ask_all(
        reach,
        _parts(reach.topology),
        {"db": hexed(database), "name": hexed(name)},
        name,
    )
    return _parts_seen(rows, reach.places)


def _parts(topology: Topology) -> str:
    return f"SELECT {_PART} FROM {topology.everywhere('system.parts')} WHERE {_TABLE} AND active AND rows > 0"


def _parts_seen(rows: Rows, answered: Collection[int]) -> PartsSeen:
    found: dict[int, set[PartKey]] = {place: set() for place in answered}
    highest: dict[int, dict[str, int]] = {place: {} for place in answered}
    for row in rows:
        place, partition, part = number(row[0]), text(row[1]), text(row[2])
        if part and place in found:
            found[place].add((partition, part, number(row[3]), text(row[4])))
            highest[place][partition] = max(number(row[5]), highest[place].get(partition, -1))
    return PartsSeen({place: frozenset(listed) for place, listed in found.items()}, highest)


def highest_blocks(reach: Reach, database: str, name: str) -> Routine[Mapping[int, Mapping[str, int]]]:
    """For each host the highest block number of each partition, for which they count anew. Raises ApplyError where a
    host does not answer."""
    highest = (
        f"SELECT partition_id, toInt64(max(max_block_number)) AS block FROM system.parts WHERE {_TABLE} AND active AND "
        "rows > 0 GROUP BY partition_id"
    )
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num), partition_id, block FROM {reach.topology.aggregated(highest)}",
        {"db": hexed(database), "name": hexed(name)},
        name,
    )
    found: dict[int, dict[str, int]] = {place: {} for place in reach.places}
    for place, partition, block in rows:
        found[number(place)][text(partition)] = number(block)
    return found


def unsettled(reach: Reach, database: str, name: str) -> Routine[Mapping[int, int]]:
    """How many merges and mutations of a table are under way, or assigned, on each host that has any. Raises ApplyError
    where a host does not answer."""
    everywhere = reach.topology.everywhere
    # Assigned is as good as begun: the log makes every replica carry it out.
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num) FROM {everywhere('system.replication_queue')} WHERE {_TABLE} AND type IN "
        f"('MERGE_PARTS', 'MUTATE_PART') UNION ALL SELECT toInt64(_shard_num) FROM {everywhere('system.merges')} WHERE "
        f"{_TABLE}",
        {"db": hexed(database), "name": hexed(name)},
        name,
    )
    found: dict[int, int] = {}
    for (place,) in rows:
        found[number(place)] = found.get(number(place), 0) + 1
    return found


def merges_cancelled(reach: Reach, database: str, name: str) -> Routine[frozenset[int]]:
    """The hosts on which merges that are assigned wait because somebody has stopped merges there (SYSTEM STOP
    MERGES)."""
    # There is no list of what is stopped: the queue says why an entry was put off.
    cancelled = "type IN ('MERGE_PARTS', 'MUTATE_PART') AND position(postpone_reason, 'are cancelled now') > 0"
    return (yield from _with_entries(reach, database, name, cancelled))


def pending_alters(reach: Reach, database: str, name: str) -> Routine[frozenset[int]]:
    """The hosts that have read an ALTER of a table from its log (of its definition, or a DETACH or DROP of parts), and
    not carried it out. Raises ApplyError where a host does not answer."""
    alters = "type IN ('ALTER_METADATA', 'DROP_RANGE', 'DROP_PART')"
    return (yield from _with_entries(reach, database, name, alters))


def _with_entries(reach: Reach, database: str, name: str, condition: str) -> Routine[frozenset[int]]:
    """The hosts that have such entries in their queue for a table."""
    rows = yield from ask_all(
        reach,
        f"SELECT DISTINCT toInt64(_shard_num) FROM {reach.topology.everywhere('system.replication_queue')} WHERE "
        f"{_TABLE} AND {condition}",
        {"db": hexed(database), "name": hexed(name)},
        name,
    )
    return frozenset(number(row[0]) for row in rows)


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica of a table, as its host shows it."""

    path: str
    """Its path in Keeper, expanded."""
    closed: bool
    """It is read-only, or has no session with Keeper."""
    waiting: int
    """Entries of the table's log that it has not carried out."""
    total: int
    """How many replicas the table has."""
    active: int
    """How many of them are active."""
    oldest: int = 0
    """For how many seconds the oldest of these entries has waited."""
    unread: int = 0
    """How many of them it has not read yet."""


def replica_states(topology: Topology, database: str, name: str) -> Routine[Mapping[int, ReplicaState]]:
    """The replicas of a table on the hosts that answer and have it."""
    # Where ``log_max_index`` is 0 there may be no entry at all: then none is missing.
    rows = yield Query(
        "SELECT toInt64(_shard_num), zookeeper_path, toInt64(is_readonly OR is_session_expired), toInt64(queue_size), "
        "if(log_max_index > 0, toInt64(log_max_index) + 1 - toInt64(log_pointer), toInt64(0)), "
        "toInt64(total_replicas), toInt64(active_replicas), if(queue_size = 0, toInt64(0), toInt64(dateDiff('second', "
        f"queue_oldest_time, now()))) FROM {topology.everywhere('system.replicas')} WHERE "
        f"{_TABLE}",
        {"db": hexed(database), "name": hexed(name)},
        LOOK,
    )
    return {
        number(place): ReplicaState(
            text(path),
            bool(number(closed)),
            number(queued) + number(unread),
            number(total),
            number(active),
            number(oldest),
            number(unread),
        )
        for place, path, closed, queued, unread, total, active, oldest in rows
    }


def broken_databases(topology: Topology, database: str) -> Routine[tuple[tuple[int, str], ...]]:
    """The databases, each with its host, into which hosts have moved tables that the log of a Replicated database does
    not know, when they came back after they had been away for too long."""
    if topology.kind != "database":
        return ()
    rows = yield Query(
        f"SELECT toInt64(_shard_num), name FROM {topology.everywhere('system.databases')} WHERE startsWith(name, "
        "{broken:String}) ORDER BY ALL",
        {"broken": f"{database}_broken_"},
        LOOK,
    )
    return tuple((number(place), text(name)) for place, name in rows)
