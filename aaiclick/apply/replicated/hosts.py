"""Whether every host can take part in a copy now: there, writable, not behind, of one release, with room,
and within reach by itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from aaiclick.apply.everywhere import pin
from aaiclick.clickhouse.every_host import BEHIND, PENDING, Reach, unfinished
from aaiclick.clickhouse.shared.ask_all import ask_all, peers, require_all, servers
from aaiclick.clickhouse.shared.replicas import ReplicaState, broken_databases, replica_states, tables_by_name
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import LOOK, hosts_of, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.printable import count_text, size_text
from aaiclick.routine import Peer, Query, Routine, number, text
from aaiclick.sql.ddl import drop
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.replicated.joined import joined_since, labels_of_hosts

AGAIN = "Nothing was changed. Run again when it is well"
_JOINS_IN = 30.0
"""Seconds that a host which joins may take to show what the others have."""


def require_well(reach: Reach, source: Physical, *, queue: bool = True) -> Routine[None]:
    """Every replica is there, writable and not far behind; no entry of the DDL queue stands still. ``queue``: False
    where that has been looked at for all tables just before."""
    topology, table = reach.topology, source.name
    replicated = source.engine.startswith("Replicated")
    states = yield from replica_states(topology, source.database, table)
    # A table that is not replicated yet is in no list of replicas.
    if replicated:
        require_all(reach, states, table)
    for place, state in sorted(states.items()):
        if state.closed:
            raise ApplyError(
                f"{table}: host {topology.at(place).label} is read-only there (no session with Keeper), and a copy "
                f"needs every replica. {AGAIN}"
            )
    if replicated:
        _require_one_path(reach, table, states)
    for entry in (yield from unfinished(reach, PENDING)) if queue and topology.kind == "queue" else ():
        # It stands in front of whatever the copy sends, and may be about this very table.
        raise ApplyError(
            f"{table}: host {entry.host}:{entry.port} has not carried out {entry.entry} of the DDL queue, which is "
            f"{entry.seconds:,} s old. {AGAIN}"
        )
    for place, state in sorted(states.items()):
        if state.oldest > BEHIND:
            raise ApplyError(
                f"{table}: host {topology.at(place).label} is behind: an entry of its log waits since "
                f"{state.oldest:,} s. {AGAIN}"
            )
    for place, name in (yield from broken_databases(topology, source.database)):
        raise ApplyError(
            f"host {topology.at(place).label} has set tables aside in database {name} when it came "
            "back, perhaps with rows that are nowhere else. Nothing was changed. Look at them, drop that database, "
            "run again"
        )


def _require_one_path(reach: Reach, table: str, states: Mapping[int, ReplicaState]) -> None:
    """Keeper and the cluster agree about which hosts are the replicas of a shard."""
    topology = reach.topology
    shards: dict[str, set[int]] = {}
    for shard in sorted({topology.at(place).shard for place in reach.places}):
        places = [place for place in sorted(reach.places) if topology.at(place).shard == shard]
        paths = {states[place].path for place in places}
        if len(paths) > 1:
            raise ApplyError(
                f"{table}: hosts {named(topology, places)} do not have one table in common, but {len(paths)} "
                f"({', '.join(sorted(paths))}): the cluster says that they are replicas of one shard, and Keeper says "
                "otherwise. Nothing was changed"
            )
        shards.setdefault(paths.pop(), set()).add(shard)
    for path, numbers in sorted(shards.items()):
        if len(numbers) > 1:
            raise ApplyError(
                f"{table}: shards {', '.join(map(str, sorted(numbers)))} have one table in common ({path}): the "
                "cluster says that they hold different rows, and Keeper says otherwise. Nothing was changed"
            )
    for place, state in sorted(states.items()):
        shard = topology.at(place).shard
        there = sum(topology.at(other).shard == shard for other in reach.places)
        if state.total != there or state.active < state.total:
            where = f" of shard {shard}" if topology.shards > 1 else ""
            raise ApplyError(
                f"{table}: it has {count_text(state.total, 'replica')}{where} in Keeper, {state.active} of "
                "them active, and the "
                f"cluster has {count_text(there, 'host')}{' there' if where else ''}: a copy needs every "
                f"replica to be there. {AGAIN}"
            )


def require_servers(reach: Reach, source: Physical) -> Routine[Mapping[int, tuple[str, str]]]:
    """One release on all hosts, no storage that several of them share; the UUID and the release of each."""
    found = yield from servers(reach.topology)
    require_all(reach, found, source.name)
    # Parts are fetched as files. What a newer server writes into them an older one may not be able to read.
    releases = {release for _, release in found.values()}
    if len(releases) > 1:
        raise ApplyError(
            f"{source.name}: its hosts run different releases ({', '.join(sorted(releases))}), and parts that one "
            "makes the other has to read. Nothing was changed. Run again when all have the same"
        )
    rows = yield Query(
        f"SELECT toInt64(_shard_num) FROM {reach.topology.everywhere('system.merge_tree_settings')} WHERE name = "
        "'allow_remote_fs_zero_copy_replication' AND value NOT IN ('0', 'false') LIMIT 1",
        {},
        LOOK,
    )
    if rows or "allow_remote_fs_zero_copy_replication = 1" in source.definition:
        raise ApplyError(
            f"{source.name}: its hosts may share their files (allow_remote_fs_zero_copy_replication), and what "
            "becomes of these when a new table takes over parts cannot be told. Nothing was changed"
        )
    return found


def hosts_now(reach: Reach) -> Routine[Reach]:
    """The hosts as the cluster lists them now; as they were, where that has changed nothing or nobody can tell."""
    topology = reach.topology
    now = replace(topology, hosts=(yield from hosts_of(topology.cluster)))
    # Only a Replicated database gives a host that joins what the others have.
    if topology.kind != "database" or not joined_since(labels_of_hosts(topology), now):
        return reach
    return (yield from pin(Reach(now)))


def until_joined(reach: Reach, database: str, name: str) -> Routine[None]:
    """Wait until hosts that have just joined show a table that others have: the log of the database brings it there.
    Whoever needs it there finds out afterwards."""
    wait = Wait(0.05, 1.0)
    while wait.waited < _JOINS_IN:
        found = yield from tables_by_name(reach.topology, database, (name,), whole=False)
        there = {place for place, tables in found.items() if name in tables}
        if not there or there >= reach.places:
            return
        wait = yield from rest(wait, f"the log of {database} to bring {name} to a host that joined")


def hosts_back(joined: Collection[str], database: str, reach: Reach) -> str:
    """What gives a cluster the hosts again that it had. ``joined``: those that it did not have, where all others are
    there."""
    if not joined:
        return "give the cluster its hosts back"
    how = f" ({drop('DATABASE', quote_name(database))} there)" if reach.topology.kind == "database" else ""
    return f"take host {', '.join(joined)} out of it until then{how}"


def require_no_other_host(reach: Reach) -> Routine[None]:
    """Raise ApplyError where a host has joined since this run looked which there are."""
    now = yield from hosts_of(reach.topology.cluster)
    reach.topology.require_known((len(now),))


def reachable_peers(reach: Reach, known: Mapping[int, tuple[str, str]] | None = None) -> Routine[Mapping[int, Peer]]:
    """How each host is reached by itself. In a Replicated database that is of use and not needed: empty where they are
    not. ``known``: as ``require_reached``."""
    try:
        return (yield from require_reached(reach, known=known))
    except AaiclickError:
        if reach.topology.kind == "queue":
            raise
        return {}


def hosts_that_have(reach: Reach, names: Collection[str], what: str) -> Routine[Mapping[str, frozenset[int]]]:
    """For each of these Buffer and Distributed tables, quoted with their database, the hosts that have it. They are no
    replicated tables: an operator may have made one on some hosts only, and another host may lack even its database, or
    have a table of another engine under that name."""
    if not names:
        return {}
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num), database, name FROM {reach.topology.everywhere('system.tables')} WHERE engine IN "
        "('Buffer', 'Distributed')",
        {},
        what,
    )
    found = dict.fromkeys(names, frozenset[int]())
    for place, database, name in rows:
        quoted = qualified(text(database), text(name))
        if quoted in found and number(place) in reach.places:
            found[quoted] |= {number(place)}
    return found


def reached_workers(reach: Reach, ports: Mapping[int, Peer] | None = None) -> Routine[Mapping[int, Peer]]:
    """How each host is reached by itself, for what is sent once to every shard. Nobody is asked where there is one.
    ``ports``: as ``require_reached``."""
    if reach.topology.shards < 2:
        return {}
    return (yield from require_reached(reach, ports))


def require_reached(
    reach: Reach, ports: Mapping[int, Peer] | None = None, known: Mapping[int, tuple[str, str]] | None = None
) -> Routine[Mapping[int, Peer]]:
    """How each host is reached by itself. Raises ApplyError where one is not, or where another server answers there.

    ``ports``: what an earlier look of this run has found; whether the host answers there now is asked in any case.
    ``known``: what each server has just said of itself through the cluster.
    """
    topology = reach.topology
    found = ports if ports and ports.keys() >= reach.places else (yield from peers(topology))
    # Below the same is asked of it directly.
    known = known if known is not None else (yield from servers(topology))
    require_all(reach, known, topology.words)
    for place in sorted(reach.places):
        label, at = topology.at(place).label, found.get(place)
        problem = "its HTTP interface is off"
        if at is not None:
            try:
                # The name that the cluster has for a host may lead to another server from here.
                answer = yield Query("SELECT toString(serverUUID())", at=at)
            except AaiclickError as error:
                problem = str(error)
            else:
                if text(answer[0][0]) == known[place][0]:
                    continue
                problem = "another server answers there"
        where = f"{at.name}:{at.http or at.https}" if at is not None else label
        raise ApplyError(
            f"host {label} cannot be asked by itself at {where} ({problem}), and a copy is put in place host by host. "
            "Nothing was changed. Run it where every host of the cluster can be reached by the name that "
            "system.clusters has for it, with a URL (clickhouse://user:password@host:8123/database)"
        )
    return found


def require_room_everywhere(
    reach: Reach, source: Physical, sizes: Mapping[int, int], factor: float, held: Mapping[int, int]
) -> Routine[None]:
    """Raise ApplyError where the disks of a replica have not so many bytes left: each will hold the copy of its shard.
    ``sizes``: that of the table, by the number of the shard. ``held``: what is there of it already, by the place of the
    host."""
    topology = reach.topology
    rows = yield from ask(
        "SELECT storage_policy FROM system.tables WHERE database = unhex({db:String}) AND name = unhex({name:String})",
        {"db": hexed(source.database), "name": hexed(source.name)},
    )
    policy = quote_string(text(rows[0][0]) if rows else "")
    free = (
        # Object storage shows the largest number that there is, of which a sum would wrap around.
        "SELECT toInt64(sum(least(unreserved_space, 1000000000000000))) AS free FROM system.disks WHERE name IN "
        f"(SELECT arrayJoin(disks) FROM system.storage_policies WHERE policy_name = {policy})"
    )
    rows = yield Query(f"SELECT toInt64(_shard_num), free FROM {topology.aggregated(free)} ORDER BY ALL", {}, LOOK)
    for place, left in rows:
        needed = int((sizes[topology.at(number(place)).shard] - held.get(number(place), 0)) * factor)
        if number(left) < needed:
            raise ApplyError(
                f"{source.name}: a copy needs {size_text(needed)} on every replica, but host "
                f"{topology.at(number(place)).label} has {size_text(number(left))} left. Nothing was changed: make "
                "room and run again"
            )
