"""What each host of a cluster shows of the declared objects: what it lacks or has otherwise, what is in its way."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.clickhouse.every_host import Shown, Subject, ask_every_host, troubles
from aaiclick.clickhouse.shared.ask_all import answering_peers
from aaiclick.clickhouse.shared.replicas import broken_databases
from aaiclick.clickhouse.topology import LOOK, Topology
from aaiclick.commands.inspection.host_definitions import attach_words, connected, definitions_on_hosts, detached, usual
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.shard_rows import HAVE_ROWS
from aaiclick.commands.inspection.subjects import objects_of, subjects_of
from aaiclick.commands.inspection.where_recorded import TABLES
from aaiclick.commands.report import HostStatus
from aaiclick.lease.names import GENERATIONS, HEARTBEATS
from aaiclick.peers import Peer
from aaiclick.printable import rows_text, verb_for
from aaiclick.routine import Query, Routine, number, text
from aaiclick.sql.hex_text import hexed, hexed_list, unhexed


def host_states(found: Inspection, changed: frozenset[str] = frozenset()) -> Routine[tuple[HostStatus, ...]]:
    """The hosts in the order of the cluster; none where there is one host, or where they are not known.

    A host that does not answer is told as such. Rows of a table are compared within a shard. ``changed``: the objects
    that the host that is connected to has otherwise than declared; by what it has of the others those of the other
    hosts are judged.
    """
    topology, database = found.topology, found.catalog.database
    if topology.single or not topology.hosts:
        return ()
    objects = objects_of(found.schema, database).names
    # First what a host cannot do now, then what it has: one that does not answer shows nothing, and lacks nothing
    # either.
    wrong = yield from troubles(topology, database, objects)
    for place, name in (yield from broken_databases(topology, database)):
        wrong.setdefault(place, f"has set tables aside in database {name}, perhaps with rows that are nowhere else")
    differs, aside = yield from _differences(found, changed)
    for place, words in (yield from _without_books(found)).items():
        differs[place].append(words)
    helped = {place for place, words in differs.items() if words and place not in aside}
    peers: Mapping[int, Peer] = {}
    # Only a host that a run would help is named with its URL.
    if helped:
        peers = yield from answering_peers(topology)
    fewer = _fewer(topology, (yield from _rows(topology, database, objects)))
    return tuple(
        HostStatus(
            host.label,
            host.shard,
            host.replica,
            wrong.get(place, ""),
            tuple(differs[place]),
            tuple(fewer.get(place, ())),
            peers.get(place) if place in helped else None,
        )
        for place, host in enumerate(topology.hosts, 1)
    )


def words_of_hosts(found: Inspection, changed: frozenset[str]) -> Routine[tuple[str, ...]]:
    """What hosts lack or have otherwise, one sentence each."""
    differs, _ = yield from _differences(found, changed)
    return tuple(
        f"host {found.topology.at(place).label}: {words}" for place, said in sorted(differs.items()) for words in said
    )


def _differences(
    found: Inspection, changed: frozenset[str]
) -> Routine[tuple[dict[int, list[str]], dict[int, frozenset[str]]]]:
    """For each host what it lacks or has otherwise, and which tables it has detached."""
    topology, database = found.topology, found.catalog.database
    differs: dict[int, list[str]] = {place: [] for place in range(1, len(topology.hosts) + 1)}
    aside: dict[int, frozenset[str]] = {}
    here = -1
    for subject in subjects_of(found.schema, database):
        shown = yield from definitions_on_hosts(topology, subject)
        if len({shown.digests(place, subject.names) for place in shown.hosts}) <= 1:
            continue
        # Asked once, and only where hosts differ: mostly none do.
        here = here if here >= 0 else (yield from connected(topology))
        away = yield from detached(topology, subject)
        # Functions and collections cannot be detached: they take nothing away from what is known of tables.
        aside |= {place: aside.get(place, frozenset()) | names for place, names in away.items()}
        _compare(shown, subject, differs, away, here, changed)
    return differs, aside


def _without_books(found: Inspection) -> Routine[dict[int, str]]:
    """The hosts that lack tables in which this library writes down what it does, and others have: each start through
    them, and one with something to do through any host, makes them first."""
    books, topology = found.books, found.topology
    # Where records of one host are still to be brought to all, that is told by itself.
    if not books.shared or found.where.unopened:
        return {}
    names = {GENERATIONS, HEARTBEATS, *(table.name for table in TABLES)}
    shown = yield from ask_every_host(
        topology,
        "SELECT toInt64(_shard_num), hex(name), toString(uuid), '' FROM "
        f"{topology.everywhere('system.tables')} WHERE database = unhex({{db:String}}) AND "
        "startsWith(engine, 'Replicated') AND has(splitByChar(',', {names:String}), hex(name))",
        {"db": hexed(books.home), "names": hexed_list(names)},
    )
    there = {name for tables in shown.hosts.values() for name in tables}
    lacking = {place: sorted(there - tables.keys()) for place, tables in shown.hosts.items()}
    return {
        place: f"{', '.join(gone)} of {books.home}, which others have, {verb_for(len(gone), 'are')} missing"
        for place, gone in lacking.items()
        if gone
    }


def _compare(
    shown: Shown,
    subject: Subject,
    differs: Mapping[int, list[str]],
    aside: Mapping[int, frozenset[str]],
    connected_to: int,
    changed: frozenset[str],
) -> None:
    names = sorted(subject.names)
    most = usual(shown, names)
    if connected_to in shown.hosts and subject.kind != "DATABASE":
        declared = shown.digests(connected_to, names)
        most = tuple(
            other if name in changed else here for name, here, other in zip(names, declared, most, strict=True)
        )
    for place in shown.hosts:
        for name, here, other in zip(names, shown.digests(place, names), most, strict=True):
            if here != other:
                gone = f"{name} is detached ({attach_words(name)})"
                missing = gone if name in aside.get(place, ()) else f"{name} is missing"
                differs[place].append(missing if not here else f"{name} differs" if other else f"only it has {name}")


def _rows(topology: Topology, database: str, names: tuple[str, ...]) -> Routine[dict[str, dict[int, int]]]:
    rows = yield Query(
        f"SELECT hex(name), toInt64(_shard_num), toInt64(total_rows) FROM {topology.everywhere('system.tables')} WHERE "
        "database = unhex({db:String}) AND has(splitByChar(',', {names:String}), hex(name)) AND total_rows IS NOT NULL "
        f"AND {HAVE_ROWS}",
        {"db": hexed(database), "names": hexed_list(names)},
        LOOK,
    )
    counted: dict[str, dict[int, int]] = {}
    for digits, place, count in rows:
        name = unhexed(text(digits))
        counted.setdefault(name, {})[number(place)] = number(count)
    return counted


def _fewer(topology: Topology, counted: Mapping[str, Mapping[int, int]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name, by_place in sorted(counted.items()):
        for place, count in by_place.items():
            shard = topology.at(place).shard
            most = max(rows for other, rows in by_place.items() if topology.at(other).shard == shard)
            if count < most:
                found.setdefault(place, []).append(f"{name} has {rows_text(count)} of {most:,}")
    return found
