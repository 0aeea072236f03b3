"""After the exchange: the old table gets a name under which no belated statement finds it, all hosts are looked at once
more, the new table lets writers in, and the old one is kept or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.apply.everywhere import everywhere, shortly
from aaiclick.apply.rebuild.preconditions import altered_words, detached_behind
from aaiclick.apply.replicated.clear import clear_everywhere
from aaiclick.apply.replicated.conditions import altered_on
from aaiclick.apply.replicated.exchange import exchange_everywhere, host_storages, kept_name, replaced_name
from aaiclick.apply.replicated.hosts import reached_workers
from aaiclick.apply.replicated.shadow import drop_on_all, settle_settings
from aaiclick.apply.replicated.shards import Shard, at_host, shards_of
from aaiclick.apply.replicated.writers import admit_everywhere, drain_everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.mutations import mutations
from aaiclick.clickhouse.parts import PATCH
from aaiclick.clickhouse.shared.host_answers import names_on_all
from aaiclick.clickhouse.shared.replicas import (
    Named,
    parts_on_all,
    pending_alters,
    replica_states,
    tables_everywhere,
)
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.storages import remove_guards
from aaiclick.clickhouse.topology import named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.events import Note
from aaiclick.routine import Emit, Peer, Routine
from aaiclick.sql.ddl import rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.kept import note_kept
from aaiclick.state.replicated.mark import ReplicatedMark

_FOLLOWED_IN = 30.0
"""Seconds until all hosts have carried out the ALTERs of the old table. The new one takes rows meanwhile."""
_PATIENCE = "The new table is in place on all hosts; the next run goes on from here"


@dataclass(frozen=True, slots=True)
class CopyEnd:
    """``kept`` is the name of the old table where it stays; ``notes`` for the operator."""

    kept: str = ""
    notes: tuple[str, ...] = ()


def finish_everywhere(
    database: str, mark: ReplicatedMark, reach: Reach, options: ApplyOptions, ports: Mapping[int, Peer] | None = None
) -> Routine[CopyEnd]:
    """Exchange on all hosts, and bring the copy to its end. Can be begun again after a crash at any point.
    ``ports``: as ``require_reached``."""
    found = yield from exchange_everywhere(database, mark, reach, ports)
    # A host on which a belated EXCHANGE undoes it now has the old table again, which refuses writers: no row is lost.
    yield from _open(database, mark, reach, options, found, ports)
    if any(standing.other == mark.shadow_name for standing in host_storages(mark, reach, found).values()):
        # The old table goes aside before anything is looked at: its scratch name stands in the EXCHANGE of a paused
        # run.
        renamed = rename_table(
            qualified(database, mark.shadow_name), qualified(database, replaced_name(mark)), if_exists=True
        )
        yield from everywhere(ddl(renamed), reach, repeatable=True)
        # A belated EXCHANGE of a run that was paused may have come before the rename, on one host or another. Behind it
        # none can come.
        found = yield from exchange_everywhere(database, mark, reach, ports)
    ended = yield from _settle_old(database, mark, reach, found)
    yield from clear_everywhere(database, mark, reach)
    return ended


def _open(
    database: str,
    mark: ReplicatedMark,
    reach: Reach,
    options: ApplyOptions,
    found: Named,
    ports: Mapping[int, Peer] | None,
) -> Routine[None]:
    """Let writers into the new table, once no INSERT can be left that found no views, and equal blocks are known
    again."""
    fenced = any(tables[mark.table].fenced for tables in found.values())
    shards = yield from _in_place(database, mark, reach, ports)
    # Before the first writer: with no window a repeated INSERT would be taken twice. The others by the same statement:
    # writers wait for it no longer.
    yield from settle_settings(database, mark.table, mark.work.form, reach)
    if fenced:
        yield from drain_everywhere(reach, mark.table, options.fence_seconds, _PATIENCE, unbegun=True)
        yield from admit_everywhere(reach, shards, options.fence_seconds)
    for shard in shards:
        # Of a run that was killed while it let them in.
        yield from at_host(shortly(remove_guards(shard.source)), shard.peer)


def _in_place(
    database: str, mark: ReplicatedMark, reach: Reach, ports: Mapping[int, Peer] | None
) -> Routine[tuple[Shard, ...]]:
    """The new table under its name in every shard."""
    peers = yield from reached_workers(reach, ports)
    return (yield from shards_of(reach, database, mark.table, dict.fromkeys(reach.places, mark.shadow), peers))


def _settle_old(database: str, mark: ReplicatedMark, reach: Reach, there: Named) -> Routine[CopyEnd]:
    """Keep the old table, or drop it where it holds nothing that the new one lacks. ``there``: what the hosts have
    shown after the last exchange."""
    old, kept = replaced_name(mark), kept_name(mark)
    if not any(old in tables for tables in there.values()):
        return CopyEnd(kept if any(kept in tables for tables in there.values()) else "")
    # Looked at under a name that no other run knows, and with its constraint still up: no row comes in behind this.
    reason = yield from _missing(database, mark, reach, old)
    if not reason and not mark.keep_old_seconds:
        yield from drop_on_all(database, old, reach)
        return CopyEnd()
    # What the note says counts once a table has the name.
    yield from note_kept(database, kept, mark, reason)
    renamed = rename_table(qualified(database, old), qualified(database, kept), if_exists=True)
    yield from everywhere(ddl(renamed), reach, repeatable=True)
    if not reason:
        return CopyEnd(kept)
    said = f"{mark.table}: {reason}. The old table is kept as {kept} until somebody has looked at it"
    yield Emit(Note(said, "warning"))
    return CopyEnd(kept, (said,))


def _altered(database: str, mark: ReplicatedMark, reach: Reach, old: str) -> Routine[str]:
    """What was altered of the old table since the last look before the exchange; '' for nothing."""
    # An ALTER is there as soon as it is in the log, and its host may be the only one that has come to it, or not even
    # that one. The name is gone on all hosts, so none is sent any more.
    if behind := (yield from _not_followed(database, mark, reach, old)):
        return (
            f"host {named(reach.topology, behind)} has not come to the end of the old table's log, so nobody knows "
            "what was altered or detached of it in the moment of the exchange"
        )
    there = yield from tables_everywhere(reach, database, (old,), mark.table)
    kinds, places = altered_on(mark, database, {place: tables[old] for place, tables in there.items() if old in tables})
    where = f" on host {named(reach.topology, places)}"
    return altered_words(kinds, "" if places == reach.places else where)


def _not_followed(database: str, mark: ReplicatedMark, reach: Reach, old: str) -> Routine[frozenset[int]]:
    """The hosts that have not carried out all ALTERs of the old table that its log has by now, or all that take parts
    away; they are waited for."""
    wait = Wait(0.05, 1.0)
    # A table that is not replicated yet has no log.
    while not mark.apart:
        states = yield from replica_states(reach.topology, database, old)
        behind = {place for place in reach.places if place not in states or states[place].unread}
        # In this order: an entry that is read in between is in the queue by then.
        behind |= yield from pending_alters(reach, database, old)
        if not behind or wait.waited > _FOLLOWED_IN:
            return frozenset(behind)
        wait = yield from rest(wait, f"all hosts to carry out the log of {old}" if wait.waited > 1 else "")
    return frozenset()


def _missing(database: str, mark: ReplicatedMark, reach: Reach, old: str) -> Routine[str]:
    """Why the old table may hold what the new one lacks; '' where it does not."""
    altered = yield from _altered(database, mark, reach, old)
    # Behind the end of the log, and before what shows the same as parts that are gone.
    looked = names_on_all(reach, database, old)
    if reason := (yield from detached_behind(looked, mark.detached, on_hosts=True)) or altered:
        return reason
    known, topology = set(mark.known), reach.topology
    shard_of = {place: topology.at(place).shard for place in reach.places}
    copied = {shard: mark.copied(shard) for shard in set(shard_of.values())}
    for mutation in (yield from mutations(database, old, reach.topology)):
        if mutation.id not in known:
            return (
                f"rows of the old table were changed in the moment of the exchange ({mutation.command}), which the new "
                "table does not show"
            )
    seen = yield from parts_on_all(reach, database, old)
    for place, listed in sorted(seen.highest.items()):
        high = dict(copied[shard_of[place]].high)
        for partition, block in sorted(listed.items()):
            if block > high.get(partition, -1):
                what = "updates" if partition.startswith(PATCH) else f"rows in partition {partition}"
                host = named(reach.topology, [place])
                return f"the old table got {what} on host {host}, which the new one does not have"
    states = yield from replica_states(reach.topology, database, old)
    totals = {shard_of[place]: state.total for place, state in states.items() if place in shard_of}
    joined = sum(max(0, total - list(shard_of.values()).count(shard)) for shard, total in totals.items())
    if joined > 0:
        return f"{joined} more replicas of the old table were made meanwhile, on hosts that the cluster does not name"
    # Merges of expired rows are not stopped.
    if not mark.expiring:
        # Counted on each host: a part that was dropped on one of them alone shows in no other place.
        for place, there in sorted(seen.hosts.items()):
            rows = sum(count for partition, _, count, _ in there if not partition.startswith(PATCH))
            if place in shard_of and rows != copied[shard_of[place]].rows:
                host = named(reach.topology, [place])
                return f"parts of the old table were dropped on host {host}, which the new table still shows"
    return ""
