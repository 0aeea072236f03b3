"""What each host of a cluster shows: whether a statement has reached all of them, and what stands in its way.

The DDL queue answers with statuses, and reports an entry that was carried out twice as an error. So the statuses count
for nothing here: a statement is done when every host shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from aaiclick.clickhouse.shared.who_answers import ask_who_answers
from aaiclick.clickhouse.topology import LOOK, Topology, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.error_codes import KEEPER_EXCEPTION
from aaiclick.errors import ApplyError, StatementError
from aaiclick.printable import allow_flag, count_text, verb_for
from aaiclick.routine import Query, Routine, Rows, number, text
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed
from aaiclick.sql.quoting import quote_string

_POLL = 0.05
_LONGEST_POLL = 1.0
"""Pauses between two looks grow up to this, in seconds."""
_REPLICA = r"(ENGINE = Replicated\w*MergeTree)\('[^']*', '[^']*'"
_FIRST = r"\1("
BEHIND = 300
"""Seconds that the oldest entry of a table's log may have waited on a host."""
PENDING = 5
"""Seconds that one may be old before a copy begins: less, and it is being carried out."""
STUCK = 30
"""Seconds that an entry of the DDL queue may be old on a host that answers."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What hosts show of some objects, by the place of the host."""

    hosts: Mapping[int, Mapping[str, tuple[str, str]]]
    """For each host that answered: by name of the object its UUID and a digest of its definition."""
    server: tuple[str, str] = ("", "")
    """UUID and name of the server that the connection leads to."""

    def of(self, place: int, names: Collection[str]) -> tuple[tuple[str, str] | None, ...]:
        """What a host shows of these objects, None for one that it does not have."""
        return tuple(self.hosts[place].get(name) for name in sorted(names))

    def digests(self, place: int, names: Collection[str]) -> tuple[str, ...]:
        """Their definitions, '' for one that it does not have."""
        return tuple(shown[1] if shown is not None else "" for shown in self.of(place, names))


@dataclass(frozen=True, slots=True)
class Reach:
    """Where statements of one run go."""

    topology: Topology
    """The hosts."""
    pinned: str = ""
    """UUID of the server that answered first; '' where nobody asked."""
    here: int = 0
    """The place of the host that is connected to; 0 where nobody asked."""
    without: frozenset[int] = field(default_factory=frozenset[int])
    """Places of hosts that are away, and that the caller goes on without."""

    @property
    def places(self) -> frozenset[int]:
        """Of the hosts that have to show what is done."""
        return frozenset(range(1, len(self.topology.hosts) + 1)) - self.without


def shown_by_hosts(topology: Topology, database: str, names: Collection[str], *, whole: bool = False) -> Routine[Shown]:
    """What the hosts that answer show of tables, views and dictionaries. ``whole``: all are expected to."""
    # Path and replica may stand there without macros: then they are another text on each host.
    said = f"replaceRegexpOne(create_table_query, {quote_string(_REPLICA)}, {quote_string(_FIRST)})"
    ids = f"toString(uuid), toString(cityHash64({said})) FROM {topology.everywhere('system.tables')}"
    return (
        yield from ask_every_host(
            topology,
            f"SELECT toInt64(_shard_num), hex(name), {ids} WHERE database = unhex({{db:String}}) AND "
            "has(splitByChar(',', {names:String}), hex(name))",
            {"db": hexed(database), "names": hexed_list(names)},
            whole=whole,
        )
    )


def functions_shown(topology: Topology, names: Collection[str]) -> Routine[Shown]:
    """The same of SQL functions."""
    return (yield from _listed(topology, names, "create_query", "functions", "origin = 'SQLUserDefined' AND "))


def databases_shown(topology: Topology, names: Collection[str]) -> Routine[Shown]:
    """The same of databases: their comments. The engine of each host's is its own affair."""
    return (yield from _listed(topology, names, "comment", "databases"))


def collections_shown(topology: Topology, names: Collection[str]) -> Routine[Shown]:
    """The same of named collections: their keys. No host shows values."""
    return (yield from _listed(topology, names, "arraySort(mapKeys(collection))", "named_collections"))


def _listed(topology: Topology, names: Collection[str], digested: str, table: str, which: str = "") -> Routine[Shown]:
    return (
        yield from ask_every_host(
            topology,
            f"SELECT toInt64(_shard_num), hex(name), '', toString(cityHash64({digested})) FROM "
            f"{topology.everywhere(f'system.{table}')} WHERE {which}has(splitByChar(',', {{names:String}}), hex(name))",
            {"names": hexed_list(names)},
        )
    )


def ask_every_host(
    topology: Topology, sql: str, bound: Mapping[str, str | int], *, whole: bool = False
) -> Routine[Shown]:
    """Carry a question out whose rows are place, name (in hexadecimal digits), UUID and digest; hosts that answer with
    no row are there too. ``whole``: all are expected to answer."""
    # Places count from 1: 0 is whoever was asked.
    asked = "SELECT toInt64(0), '', toString(serverUUID()), hostName()"
    rows, answered = yield from ask_who_answers(topology, sql, "'', '', ''", bound, whole=whole, beside=asked)
    found: dict[int, dict[str, tuple[str, str]]] = {place: {} for place in sorted(answered)}
    server = ("", "")
    for place, name, uuid, digest in rows:
        if not number(place):
            server = text(uuid), text(digest)
        elif text(name):
            # Names may hold any bytes. As digits they come through every client unchanged.
            shown = unhexed(text(name))
            found[number(place)][shown] = (text(uuid), text(digest))
    return Shown(found, server)


@dataclass(frozen=True, slots=True)
class Subject:
    """The objects that a statement is about."""

    database: str
    """Their database; '' for what no database's catalogue lists."""
    names: tuple[str, ...]
    """Their names."""
    kind: str = ""
    """FUNCTION, DATABASE or NAMED COLLECTION; '' for objects of a database."""

    def look(self, topology: Topology, *, whole: bool = False) -> Routine[Shown]:
        """What the hosts show of them. ``whole``: all are expected to answer."""
        if not self.kind:
            return (yield from shown_by_hosts(topology, self.database, self.names, whole=whole))
        return (yield from SERVER_LISTS[self.kind](topology, self.names))

    @property
    def words(self) -> str:
        """Their names, for a sentence."""
        return " and ".join(self.names)


SERVER_LISTS: Mapping[str, Callable[[Topology, Collection[str]], Routine[Shown]]] = {
    "FUNCTION": functions_shown,
    "DATABASE": databases_shown,
    "NAMED COLLECTION": collections_shown,
}
"""What hosts show of each kind that no database's catalogue lists, by the word that stands in statements."""


def has_reached(reach: Reach, subject: Subject, before: Shown, now: Shown) -> bool:
    """True where every host shows the same, and something else than before."""
    places = reach.places
    # Who does not answer may lack it. Left out, the statement would count as done without that host.
    if not places <= now.hosts.keys():
        return False
    # The same everywhere is not enough: before the statement they were alike, too. Something has to have changed.
    same = len({now.of(place, subject.names) for place in places}) == 1
    # By UUID as well as by text: a table that was dropped and made again is another one.
    changed = any(
        place in before.hosts and now.of(place, subject.names) != before.of(place, subject.names) for place in places
    )
    if same:
        return changed
    # Hosts that differed before may differ after it, each having changed.
    differed = len({before.of(place, subject.names) for place in places & before.hosts.keys()}) > 1
    return differed and all(
        place in before.hosts and now.of(place, subject.names) != before.of(place, subject.names) for place in places
    )


def until_shown(reach: Reach, subject: Subject, before: Shown, seconds: float = 60.0) -> Routine[bool]:
    """Wait until every host shows what was sent; whether it shows anything else than before. ``before``: what they
    showed then.

    A statement that changes no definition is done when no host has anything left to do. Raises ApplyError with the
    hosts that do not show it after so many ``seconds``.
    """
    wait = Wait(_POLL, _LONGEST_POLL)
    away = reach.without
    while True:
        # Where one does not answer it takes seconds to find that out, and once each time is enough.
        now = yield from subject.look(reach.topology, whole=not away)
        if has_reached(reach, subject, before, now):
            return True
        away = reach.places - now.hosts.keys()
        if not away and not (yield from busy(reach, subject)):
            # What was under way has ended between the two looks.
            now = yield from subject.look(reach.topology)
            if reach.places <= now.hosts.keys():
                _require_alike(reach, subject, before, now)
                return has_reached(reach, subject, before, now)
        if wait.waited >= seconds:
            # Only where time is up: the question goes to Keeper, and costs more than the looks do.
            stands = (yield from unfinished(reach, int(seconds))) if reach.topology.kind == "queue" else ()
            raise ApplyError(_late(reach, subject, now, stands))
        wait = yield from rest(wait, f"all hosts to show {subject.words}" if wait.waited > 1 else "")


def _require_alike(reach: Reach, subject: Subject, before: Shown, now: Shown) -> None:
    """Raise ApplyError where hosts that showed the same show different things now that nothing is left to do."""
    # Hosts that differed before the statement may go on to differ: that is no fault of it.
    first = {before.of(place, subject.names) for place in reach.places & before.hosts.keys()}
    if len(first) > 1 or len({now.of(place, subject.names) for place in reach.places}) == 1:
        return
    raise ApplyError(
        f"{subject.words}: {others(reach, subject, now)} and the rest differ, and nothing is left to be carried out "
        "there. aaiclick status shows which"
    )


def others(reach: Reach, subject: Subject, now: Shown) -> str:
    """The hosts that do not show what most show."""
    seen = {place: now.of(place, subject.names) for place in reach.places & now.hosts.keys()}
    usual = max(seen.values(), key=lambda each: sum(other == each for other in seen.values()), default=None)
    return named(reach.topology, [place for place, each in seen.items() if each != usual]) or "no host"


def _late(reach: Reach, subject: Subject, now: Shown, stands: Collection[QueueEntry]) -> str:
    away = reach.places - now.hosts.keys()
    if away:
        return (
            f"{subject.words}: host {named(reach.topology, away)} does not answer, so nobody knows whether it is there."
            f" Run again when it does, or go on without it: {allow(reach.topology, away)}"
        )
    entries = ", ".join(dict.fromkeys(entry.entry for entry in stands))
    queue = (
        f" Where a host tries {entries} of the DDL queue again and again, its log says why, and nothing behind it is "
        "carried out (SELECT * FROM system.distributed_ddl_queue WHERE status != 'Finished')."
        if entries
        else ""
    )
    if len({now.of(place, subject.names) for place in reach.places}) == 1:
        return (
            f"{subject.words}: no host shows yet what was sent to all. It is carried out as soon as the hosts come to "
            f"it.{queue} Run again then"
        )
    return (
        f"{subject.words}: host {others(reach, subject, now)} does not show yet what was sent to all. It is carried "
        f"out there as soon as that host comes to it.{queue} Run again then"
    )


def allow(topology: Topology, places: Collection[int]) -> str:
    """The options by which one goes on without these hosts."""
    return " ".join(allow_flag(f"without-host {topology.at(place).label}") for place in sorted(places))


def busy(reach: Reach, subject: Subject) -> Routine[bool]:
    """True where a host has still to carry something out: an entry of the DDL queue, or of the log of these tables."""
    if subject.database and (yield from _logs_behind(reach, subject)):
        return True
    # A Replicated database has a log of its own; what no database's catalogue lists goes by the queue there too.
    if reach.topology.kind != "queue" and not subject.kind:
        return False
    return bool((yield from unfinished(reach, 0)))


def _logs_behind(reach: Reach, subject: Subject) -> Routine[bool]:
    everywhere = reach.topology.everywhere
    bound = {"db": hexed(subject.database), "names": hexed_list(subject.names)}
    these = "database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(table))"
    # A log without entries looks like one with a first entry: then whoever sent that has it already.
    logs = (
        "SELECT log_pointer <= log_max_index AND max(greatest(log_pointer, log_max_index)) OVER (PARTITION BY "
        f"zookeeper_path) > 0 AS behind FROM {everywhere('system.replicas')} WHERE {these}"
    )
    # Of the queue only changes of the definition count: fetches and merges may go on for as long as they like.
    rows = yield Query(
        f"SELECT toInt64(countIf(behind)) FROM ({logs}) UNION ALL SELECT toInt64(count()) FROM "
        f"{everywhere('system.replication_queue')} WHERE {these} AND type = 'ALTER_METADATA'",
        bound,
        LOOK,
    )
    return any(number(row[0]) for row in rows)


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """An entry of the DDL queue that a host has not carried out."""

    entry: str
    """Its name in the queue."""
    host: str
    """The host, as the queue names it."""
    port: int
    """Its port."""
    seconds: int
    """How old it is, by the server's clock."""

    def place(self, topology: Topology) -> int:
        """The place of its host; 0 where the cluster does not have it."""
        found = [
            place for place, host in enumerate(topology.hosts, 1) if (host.name, host.port) == (self.host, self.port)
        ]
        return found[0] if found else 0


def unfinished(reach: Reach, older: int) -> Routine[tuple[QueueEntry, ...]]:
    """Entries of the DDL queue that hosts of this cluster have not carried out, and that are that many seconds old."""
    rows = yield from _queue(reach.topology.cluster, older)
    # The queue is one for all clusters of the servers: hosts of other clusters are none of ours.
    entries = (QueueEntry(text(row[0]), text(row[1]), number(row[2]), number(row[3])) for row in rows)
    return tuple(entry for entry in entries if entry.place(reach.topology) in reach.places)


def _queue(cluster: str, older: int) -> Routine[Rows]:
    query = Query(
        "SELECT entry, host, toInt64(port), toInt64(dateDiff('second', query_create_time, now())) AS age FROM "
        "system.distributed_ddl_queue WHERE cluster = unhex({cluster:String}) AND status != 'Finished' AND age >= "
        "{older:Int64} ORDER BY entry, host, port",
        {"cluster": hexed(cluster), "older": older},
    )
    try:
        return (yield query)
    except StatementError as error:
        # An entry that is cleaned away while the table is read makes the whole question fail ("No node").
        if error.code != KEEPER_EXCEPTION:
            raise
    return (yield query)


def troubles(topology: Topology, database: str, tables: Collection[str], stuck: int = STUCK) -> Routine[dict[int, str]]:
    """Why hosts cannot carry out what is sent to all now, by their places: they do not answer, a table of theirs is
    read-only, they are far behind, or an entry of their DDL queue is as old as ``stuck`` seconds."""
    everywhere = topology.everywhere
    rows = yield Query(
        "SELECT toInt64(_shard_num), '', toInt64(0), toInt64(0), toInt64(0) FROM "
        f"{everywhere('system.one')} UNION ALL SELECT toInt64(_shard_num), hex(table), toInt64(is_readonly OR "
        "is_session_expired), toInt64(log_max_index + 1 - log_pointer + queue_size), if(queue_size = 0, toInt64(0), "
        f"toInt64(dateDiff('second', queue_oldest_time, now()))) FROM {everywhere('system.replicas')} WHERE database = "
        "unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(table))",
        {"db": hexed(database), "names": hexed_list(tables)},
        LOOK,
    )
    answered = {number(row[0]) for row in rows}
    found = {place: "does not answer" for place in range(1, len(topology.hosts) + 1) if place not in answered}
    # One trouble of each host is enough to tell.
    for place, table, closed, entries, age in rows:
        name = unhexed(text(table))
        if number(closed):
            # Not overwritten: of several troubles of a host the first is told.
            found.setdefault(number(place), f"has no session with Keeper: {name} is read-only there")
        elif number(age) > BEHIND:
            words = (
                f"is behind: {count_text(number(entries), 'entry', 'entries')} of {name} "
                f"{verb_for(number(entries), 'wait')} since {number(age):,} s"
            )
            found.setdefault(number(place), words)
    if topology.kind == "queue":
        for entry in (yield from unfinished(Reach(topology), stuck)):
            words = f"has not carried out {entry.entry} of the DDL queue, which is {entry.seconds:,} s old"
            found.setdefault(entry.place(topology), words)
    return found
