"""The exchange on all hosts: each is looked at by itself before and after.

Through the DDL queue an EXCHANGE may be carried out twice on a host, and is then undone there. So it is sent to each
host by itself, once its two names hold the two storages of the mark. The log of a Replicated database carries it out
exactly once on every host; it is sent by a host that has followed that log to its end.

Once one host has the new storage there is no way back: the others follow, whoever sends the rest. The old storage
refuses writers on every host that still has it under the name, and the new one does so until all have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.apply.everywhere import require_pinned, shortly
from aaiclick.apply.replicated.hosts import require_reached
from aaiclick.apply.replicated.writers import emit_fence_event_on_hosts
from aaiclick.clickhouse.every_host import Reach, unfinished
from aaiclick.clickhouse.names import kept_table, parse_name, taken_table
from aaiclick.clickhouse.shared.replicas import Named, tables_everywhere
from aaiclick.clickhouse.statements import DDL, ONCE, send
from aaiclick.clickhouse.topology import named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import TableExchanged
from aaiclick.routine import Command, Peer, Query, Routine, Sleep, text
from aaiclick.sql.ddl import exchange_tables, system
from aaiclick.sql.hex_text import hexed, unhexed
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.state.replicated.mark import ReplicatedMark

_SECONDS = 60
"""Seconds that the DDL queue, or the log of a Replicated database, may take: writers are refused meanwhile."""
_PROBES = 10
"""How often hosts are looked at for an exchange that was sent without an answer."""
_PAUSE = 0.5
"""Seconds between two of these looks."""


@dataclass(frozen=True, slots=True)
class HostStorages:
    """Where the storages of a mark are on one host."""

    exchanged: bool
    """The name of the table holds the new one."""
    other: str
    """The name that the other one has; '' where it has gone already, after the exchange."""


def replaced_name(mark: ReplicatedMark) -> str:
    """The name that the old table gets after the exchange, where no belated statement finds it."""
    ours = parse_name(mark.name)
    assert ours is not None, mark.name
    return taken_table(ours.nonce, mark.table)


def kept_name(mark: ReplicatedMark) -> str:
    """The name under which the old table is kept. Of this storage: one run may copy a table twice."""
    ours = parse_name(mark.name)
    assert ours is not None, mark.name
    return kept_table(f"{ours.nonce[:20]}{mark.sources[0].replace('-', '')[:12]}", mark.table)


def exchange_everywhere(
    database: str, mark: ReplicatedMark, reach: Reach, ports: Mapping[int, Peer] | None = None
) -> Routine[Named]:
    """Let every host have the new storage under the name of the table. Those that have it already are left alone.
    ``ports``: as ``require_reached``. What the last look has found, under all names that the two may have.

    Raises ApplyError with the host that does not answer, or has something else under the names.
    """
    found = yield from _look(database, mark, reach)
    left = _not_exchanged(mark, reach, found)
    if not left:
        return found
    if reach.topology.kind == "queue":
        yield from _until_queue_is_empty(mark, reach)
        # All of them before the first: a host that cannot be reached would stay behind with writers refused.
        peers = yield from require_reached(reach, ports)
        # Host by host: a kill in between leaves hosts with either storage. Those with the old one refuse writers, and
        # the next run sends the rest.
        for place in left:
            yield from _exchange_at(database, mark, reach, place, peers[place])
    else:
        yield from _exchange_by_log(database, mark, reach)
    # All at one moment: while later hosts exchanged, an earlier one may have got its old table back.
    found = yield from _look(database, mark, reach)
    if still := _not_exchanged(mark, reach, found):
        raise ApplyError(
            f"{mark.table}: host {named(reach.topology, still)} has the old table under its name again, which refuses "
            "writers. Run again: that goes on from here"
        )
    yield from emit_fence_event_on_hosts(reach, TableExchanged(database, mark.table, True))
    return found


def _look(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[Named]:
    """What is under the names of a mark on every host. Raises ApplyError where one does not answer."""
    names = (mark.table, mark.shadow_name, replaced_name(mark), kept_name(mark))
    return (yield from tables_everywhere(reach, database, names, mark.table))


def host_storages(mark: ReplicatedMark, reach: Reach, found: Named) -> dict[int, HostStorages]:
    """Where the two storages are on every host. Raises ApplyError where its names hold anything but the two."""
    return {place: _host_storages(mark, reach, place, _uuids(found, place)) for place in sorted(reach.places)}


def _not_exchanged(mark: ReplicatedMark, reach: Reach, found: Named) -> list[int]:
    return [place for place, seen in host_storages(mark, reach, found).items() if not seen.exchanged]


def _uuids(found: Named, place: int) -> dict[str, str]:
    return {name: placed.uuid for name, placed in found[place].items()}


def _host_storages(mark: ReplicatedMark, reach: Reach, place: int, uuids: dict[str, str]) -> HostStorages:
    live, source = uuids.get(mark.table, ""), mark.source_at(place)
    others = [name for name in (mark.shadow_name, replaced_name(mark)) if name in uuids]
    if len(others) < 2:
        other = others[0] if others else ""
        # The old one may be gone by now: it is dropped when the exchange is over.
        if (live, uuids.get(other, source)) == (mark.shadow, source):
            return HostStorages(True, other)
        if other and (live, uuids[other]) == (source, mark.shadow):
            return HostStorages(False, other)
    shown = ", ".join(f"{name} {uuid}" for name, uuid in sorted(uuids.items())) or "none of them"
    raise ApplyError(
        f"{mark.table}: host {reach.topology.at(place).label} has {shown}, where the old storage {source} and the "
        f"new one {mark.shadow} were under {mark.table} and {mark.shadow_name}. Somebody else has renamed or dropped "
        "them. Nothing more was changed, and hosts that have the old storage refuse writers: give the two their "
        "names back on that host, and run again"
    )


def _exchange_at(database: str, mark: ReplicatedMark, reach: Reach, place: int, at: Peer) -> Routine[None]:
    """Exchange on one host, after it has shown both storages itself."""
    here = yield from _storages_at(database, mark, reach, place, at)
    if here.exchanged:
        return
    sql = exchange_tables(qualified(database, mark.table), qualified(database, here.other))
    try:
        yield from send(Command(sql, settings=DDL, at=at), ONCE)
    except StatementError as error:
        for _ in range(_PROBES):
            # By way of the others: a host that stands still would keep this waiting.
            if host_storages(mark, reach, (yield from _look(database, mark, reach)))[place].exchanged:
                return
            if not isinstance(error, OutcomeUnknownError):
                break
            # The client gave up, but the server may still carry the statement out.
            yield Sleep(_PAUSE)
        raise
    if not (yield from _storages_at(database, mark, reach, place, at)).exchanged:
        label = reach.topology.at(place).label
        raise ApplyError(f"{mark.table}: the exchange was acknowledged by host {label}, but did not happen. Run again")


def _storages_at(database: str, mark: ReplicatedMark, reach: Reach, place: int, at: Peer) -> Routine[HostStorages]:
    """The same as that host itself says."""
    rows = yield Query(
        "SELECT hex(name), toString(uuid) FROM system.tables WHERE database = unhex({db:String}) AND name IN "
        "(unhex({live:String}), unhex({other:String}), unhex({aside:String}))",
        {
            "db": hexed(database),
            "live": hexed(mark.table),
            "other": hexed(mark.shadow_name),
            "aside": hexed(replaced_name(mark)),
        },
        at=at,
    )
    uuids = {unhexed(text(name)): text(uuid) for name, uuid in rows}
    return _host_storages(mark, reach, place, uuids)


def _exchange_by_log(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[None]:
    """Exchange once, by the log of the database, from a host that has come to its end."""
    # Behind a load balancer the next statement may meet another host, which has not followed the log.
    yield from require_pinned(reach)
    # What is still in the log could exchange the tables behind the look that follows.
    log = Command(system("SYNC DATABASE REPLICA", quote_name(database)), settings={"receive_timeout": _SECONDS})
    yield from send(log)
    seen = host_storages(mark, reach, (yield from _look(database, mark, reach)))[reach.here]
    failed: StatementError | None = None
    if not seen.exchanged:
        sql = exchange_tables(qualified(database, mark.table), qualified(database, seen.other))
        try:
            yield from shortly(send(Command(sql, settings=DDL), ONCE))
        except StatementError as error:
            failed = error  # it may be in the log all the same: the hosts tell
    wait = Wait(0.02, 1.0)
    while left := _not_exchanged(mark, reach, (yield from _look(database, mark, reach))):
        if failed is not None and len(left) == len(reach.places) and wait.waited > _PROBES * _PAUSE:
            # It was refused, and no host has it from the log.
            raise failed
        if wait.waited > _SECONDS:
            raise ApplyError(
                f"{mark.table}: host {named(reach.topology, left)} has not followed the log of the database yet, and "
                "refuses writers until then. Run again: that goes on from here"
            )
        wait = yield from rest(wait, f"all hosts to exchange {mark.table}" if wait.waited > 1 else "")


def _until_queue_is_empty(mark: ReplicatedMark, reach: Reach) -> Routine[None]:
    """A statement that still waits in the DDL queue of a host could come behind the exchange there."""
    wait = Wait(0.05, 1.0)
    while entries := (yield from unfinished(reach, 0)):
        if wait.waited > _SECONDS:
            raise ApplyError(
                f"{mark.table}: host {entries[0].host}:{entries[0].port} has not carried out {entries[0].entry} of "
                f"the DDL queue, which is {entries[0].seconds:,} s old. Writers are refused meanwhile. Run again "
                "when it has"
            )
        wait = yield from rest(wait, "the DDL queue of all hosts to be empty" if wait.waited > 1 else "")
