"""Keeping writers of a replicated table out on every host, and waiting for those that run.

The fence is a constraint that no row meets. It is one entry of the table's log, and a host that has not carried it out
still takes rows: so it holds when every host shows it, and only then the INSERTs that run are waited for, on every
host. It belongs to the storage: a host that still has the old storage under the name goes on refusing, whatever the
others do. DELETEs and UPDATEs are not refused by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from aaiclick.apply.everywhere import shortly
from aaiclick.apply.replicated.hosts import hosts_that_have, reachable_peers
from aaiclick.apply.replicated.shards import Replicas, Shard, altered_through, at_host
from aaiclick.clickhouse.background_inserts import find_background_inserts
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.inserts import flushed
from aaiclick.clickhouse.names import FENCE_CONSTRAINT, is_ours
from aaiclick.clickhouse.shared.ask_all import ask_all, is_long, require_all
from aaiclick.clickhouse.shared.replicas import tables_by_name
from aaiclick.clickhouse.statements import MUTATION, send
from aaiclick.clickhouse.storages import alter_storage
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import LOOK, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.clock import clock
from aaiclick.error_codes import VIOLATED_CONSTRAINT
from aaiclick.errors import AaiclickError, ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note, RefusalsCounted, TableExchanged, WritersAdmitted, WritersRefused
from aaiclick.printable import count_that
from aaiclick.routine import Command, Emit, Peer, Query, Routine, number, text
from aaiclick.sql.clauses import add_constraint, drop_constraint
from aaiclick.sql.ddl import optimize_table, system
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified

_TRIES = 20
"""How often writers are refused anew where asynchronous inserts came in between."""
_QUEUE_SECONDS = 20.0
"""How long their queue may take to run empty each time."""
_SYNC_SECONDS = 60
"""How long this host may take to fetch the rows of others."""
_WRITES = "query_kind IN ('Insert', 'AsyncInsertFlush', 'Update')"
_PATIENCE = "Writers may go on; nothing was changed. Run again when they have ended"


def refuse_everywhere(replicas: Replicas, seconds: float) -> Routine[None]:
    """Refuse new INSERTs on every host, and wait for those that run, at most ``seconds``.

    Raises ApplyError with the fence still up: whoever catches it lifts it.
    """
    source, reach = replicas.source, replicas.reach
    for _ in range(_TRIES):
        # While writers are let in: behind the fence a flush is refused, and rows that were acknowledged would be lost.
        yield from _flush(replicas)
        # Those of all shards together: rows of one INSERT through a Distributed table go to several of them.
        for shard in altered_through(replicas.shards):
            yield from at_host(close_by_log(shard.source), shard.peer)
        # Whatever the ALTER has waited for: only the catalogue of a host shows that this host has carried it out.
        yield from until_fenced(reach, source.database, source.name, seconds, up=True)
        yield from emit_fence_event_on_hosts(reach, WritersRefused(source.database, source.name))
        # From here on every host refuses an INSERT that begins. One that was queued just before would be refused as
        # well, after its client had been told that all is well.
        if not (yield from _queued(reach, source)):
            yield from drain_everywhere(reach, source.name, seconds, _PATIENCE)
            if replicas.background_inserts.buffers:
                yield from _flush_buffers(replicas)
                yield from drain_everywhere(reach, source.name, seconds, _PATIENCE)
            return
        # They were acknowledged: behind a fence they would be lost.
        yield from admit_everywhere(reach, replicas.shards, seconds)
    raise ApplyError(
        f"{source.name}: asynchronous inserts keep arriving; behind a fence they would be lost. Stop these writers for "
        "the migration"
    )


def admit_everywhere(reach: Reach, shards: Sequence[Shard], seconds: float) -> Routine[None]:
    """Let writers in again on every host; nothing happens where there is no fence."""
    for shard in altered_through(shards):
        yield from at_host(open_by_log(shard.source), shard.peer)
    table = shards[0].source
    yield from until_fenced(reach, table.database, table.name, seconds, up=False)
    # A table of ours has no writers yet, whom an operator would ask about.
    if not is_ours(table.name):
        yield from emit_fence_event_on_hosts(reach, WritersAdmitted(table.database, table.name))


def close_by_log(table: Physical) -> Routine[None]:
    """Put up the fence of a storage, on each host of its shard as soon as it comes to that entry of the log."""
    yield from shortly(alter_storage(table, (add_constraint(FENCE_CONSTRAINT, "CHECK 0"),)))


def open_by_log(table: Physical) -> Routine[None]:
    """Take the fence of a storage away, on each host of its shard as soon as it comes to that entry of the log.

    Only of this storage, and only as long as this run is at work: one that was sent by a run that is over, and comes
    late, is refused, because the guard that it drops is gone.
    """
    yield from shortly(alter_storage(table, (drop_constraint(FENCE_CONSTRAINT, if_exists=True),)))


def emit_fence_event_on_hosts(reach: Reach, event: WritersRefused | WritersAdmitted | TableExchanged) -> Routine[None]:
    """Say that a fence went up or came down; and where somebody counts refused writers, how many all hosts have refused
    since they started."""
    if not (yield Emit(event)):
        return
    refused = f"SELECT toInt64(sum(value)) AS refused FROM system.errors WHERE code = {VIOLATED_CONSTRAINT}"
    try:
        rows = yield Query(f"SELECT refused FROM {reach.topology.aggregated(refused)}", {}, LOOK)
    except StatementError:
        return  # no right to read it: a figure is missing, and the migration goes on
    yield Emit(RefusalsCounted(sum(number(row[0]) for row in rows)))


def until_fenced(reach: Reach, database: str, name: str, seconds: float, *, up: bool) -> Routine[None]:
    """Wait until every host shows the fence of a table (``up``), or shows none. Raises ApplyError with the hosts that
    do not after so many ``seconds``."""
    wait, began, whole = Wait(0.02, 1.0), (yield from clock()), not reach.without
    while True:
        found = yield from tables_by_name(reach.topology, database, (name,), whole=whole)
        # Where one does not answer it takes seconds to find that out, and once each time is enough.
        whole = reach.places <= found.keys()
        other = [
            place
            for place in reach.places
            if (placed := found.get(place, {}).get(name)) is None or placed.fenced is not up
        ]
        if not other:
            return
        if (yield from is_long(wait, began)):
            require_all(reach, found, name)
        # ``seconds`` is meant for INSERTs. However short it is, a host needs a moment to come to an entry of the log.
        if wait.waited > max(seconds, 5.0):
            what = "does not show yet that writers are refused" if up else "still refuses writers"
            raise ApplyError(
                f"{name}: host {named(reach.topology, other)} {what}, {wait.waited:.0f} s after that was sent to "
                "all. It is carried out there as soon as that host comes to it. Run again then"
            )
        wait = yield from rest(wait, f"all hosts to show {name}" if wait.waited > 1 else "")


def drain_everywhere(reach: Reach, table: str, seconds: float, reason: str, *, unbegun: bool = False) -> Routine[None]:
    """Wait until the INSERTs that run now on any host are gone. ``unbegun``: those only that have neither read nor
    written anything yet. Raises ApplyError after so many ``seconds``; ``reason`` says what state that leaves."""
    condition = f"{_WRITES} AND read_rows = 0 AND written_rows = 0" if unbegun else _WRITES
    wait, pending = Wait(0.02, 1.0), (yield from _running(reach, condition))
    while pending and wait.waited < seconds:
        wait = yield from rest(wait, f"{len(pending)} running inserts to end before {table} is complete")
        # Only those of the first look: with busy writers there is always some INSERT.
        pending &= yield from _running(reach, condition)
    if pending and not unbegun:
        shown = ", ".join(f"{query} on {reach.topology.at(place).label}" for place, query in sorted(pending)[:3])
        raise ApplyError(
            f"{table}: {count_that(len(pending), 'insert', 'are')} still running after {wait.waited:.0f} s "
            f"({shown}). {reason}"
        )


def drain_all_everywhere(reach: Reach, table: Physical, seconds: float, reason: str) -> Routine[None]:
    """The same, and what Buffer and Distributed tables of any host have taken and not passed on. When this returns, the
    host that is connected to has every row of its shard that came in before, whatever host took it.

    Raises ApplyError where a host is away or cannot be told to pass them on, and where a guard refuses them.
    """
    if reach.without:
        away = named(reach.topology, reach.without)
        raise ApplyError(
            f"{table.name}: host {away} is away, and nobody would look at its new rows. Nothing was changed. "
            "Run again when it is back"
        )
    found = yield from find_background_inserts(table.database, table.name, topology=reach.topology)
    passing = (*found.buffers, *found.queues)
    peers = (yield from reachable_peers(reach)) if passing else dict[int, Peer]()
    if passing and not peers:
        raise ApplyError(
            f"{table.name}: {passing[0]} stands in front of it, and hosts that cannot be reached by themselves cannot "
            "be told to flush it. Nothing was changed. Run it where every host can be reached by the name that "
            "system.clusters has for it"
        )
    # INSERTs first: one that still runs may write into the buffer that is flushed next.
    yield from drain_everywhere(reach, table.name, seconds, reason)
    there = yield from hosts_that_have(reach, passing, table.name)
    for name in passing:
        sql = optimize_table(name) if name in found.buffers else system("FLUSH DISTRIBUTED", name)
        for place in sorted(there[name] & peers.keys()):
            yield from flushed(name, sql, peers[place])
    if passing:
        # What they sent are inserts like others, of whichever host.
        yield from drain_everywhere(reach, table.name, seconds, reason)
    # LIGHTWEIGHT: until every part is here. Without it the server waits for merges and mutations of its queue too.
    sync = system("SYNC REPLICA", f"{qualified(table.database, table.name)} LIGHTWEIGHT")
    try:
        yield from send(Command(sync, settings={"receive_timeout": _SYNC_SECONDS}))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        raise ApplyError(
            f"{table.name}: this host does not fetch what other hosts have written ({error.message}). Nothing was "
            "changed. Run again when its replication works"
        ) from error


def _running(reach: Reach, condition: str) -> Routine[set[tuple[int, str]]]:
    """The INSERTs that run now, by host and id. One that has looked up its table is among them already."""
    sql = f"SELECT toInt64(_shard_num), query_id FROM {reach.topology.everywhere('system.processes')} WHERE {condition}"
    rows = yield from ask_all(reach, sql, {}, "running inserts")
    return {(number(place), text(query)) for place, query in rows}


def _flush(replicas: Replicas) -> Routine[None]:
    """What waits on any host to be written: asynchronous inserts, and files of Distributed tables. A flush that is
    refused leaves its rows where they are."""
    source, reach = replicas.source, replicas.reach
    queues = (("FLUSH DISTRIBUTED", name) for name in replicas.background_inserts.queues)
    for action, name in (("FLUSH ASYNC INSERT QUEUE", ""), *queues):
        # 0: the host that is connected to, where the others are not reached by themselves.
        # Each host has a queue of its own, and flushes no other one's.
        for place in sorted(replicas.peers) or [0]:
            # Without the right to flush, the queue's own timeout does it; it is waited for below.
            with suppress(AaiclickError):
                yield from send(Command(system(action, name), settings=MUTATION, at=replicas.peers.get(place)))
    wait = Wait(0.1, 0.5)
    while (yield from _queued(reach, source)):
        if wait.waited > _QUEUE_SECONDS:
            raise ApplyError(
                f"{source.name}: the queue of asynchronous inserts does not run empty. Stop these writers for the "
                "migration"
            )
        wait = yield from rest(wait, f"asynchronous inserts into {source.name} to be flushed")


def _flush_buffers(replicas: Replicas) -> Routine[None]:
    """The flush of a Buffer table is no query: when OPTIMIZE returns, none is under way that began before. Behind the
    fence it is refused, and the rows stay in the buffer."""
    buffers = replicas.background_inserts.buffers
    there = yield from hosts_that_have(replicas.reach, buffers, replicas.source.name)
    for name in buffers:
        for place in sorted(there[name] & replicas.peers.keys()):
            try:
                yield from send(Command(optimize_table(name), settings=MUTATION, at=replicas.peers[place]))
            except OutcomeUnknownError:
                raise
            except StatementError as error:
                yield Emit(Note(f"{optimize_table(name)} on {replicas.reach.topology.at(place).label}: {error}"))


def _queued(reach: Reach, table: Physical) -> Routine[bool]:
    """Whether asynchronous inserts wait on any host."""
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(count()) FROM {reach.topology.everywhere('system.asynchronous_inserts')} WHERE database = "
        "unhex({db:String}) AND table = unhex({name:String})",
        {"db": hexed(table.database), "name": hexed(table.name)},
        table.name,
    )
    return number(rows[0][0]) > 0


def failed_flushes(reach: Reach) -> Routine[Mapping[int, int]]:
    """How many asynchronous inserts have failed on each host since it started."""
    rows = yield Query(
        f"SELECT toInt64(_shard_num), toInt64(value) FROM {reach.topology.everywhere('system.events')} WHERE event = "
        "'FailedAsyncInsertQuery'",
        {},
        LOOK,
    )
    return {number(place): number(value) for place, value in rows}
