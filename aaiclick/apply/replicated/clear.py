"""Taking away what a copy on replicas has made: before the exchange everything, after it what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from aaiclick.apply.everywhere import QUEUE, shortly
from aaiclick.apply.replicated.hosts import reached_workers
from aaiclick.apply.replicated.shadow import drop_everywhere, settle_settings
from aaiclick.apply.replicated.shards import at_host, has_several_shards, hosts_of_shard, shards_of, workers
from aaiclick.apply.replicated.stop_merges import is_held, set_everywhere
from aaiclick.apply.replicated.writers import admit_everywhere, open_by_log
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.ask_all import answering_peers
from aaiclick.clickhouse.shared.away import away_on_hosts, moved_on_hosts
from aaiclick.clickhouse.shared.replicas import tables_everywhere
from aaiclick.clickhouse.storages import remove_guards
from aaiclick.clickhouse.tables import physical
from aaiclick.clickhouse.topology import LOOK, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.events import Note
from aaiclick.routine import Command, Emit, Peer, Query, Routine, number
from aaiclick.sql.ddl import drop
from aaiclick.sql.ddl import with_cluster as on_cluster
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name
from aaiclick.state.replicated.mark import ReplicatedMark, drop_replicated_mark, update_replicated_mark

_SECONDS = 60.0
"""Seconds that a host may take to drop the database with its staging tables."""


def undo_everywhere(database: str, mark: ReplicatedMark, reach: Reach, seconds: float) -> Routine[bool]:
    """Before the exchange: make the table on all hosts as it was, and take away what was made. Writers first. False
    where the table is away, and its mark waits for it.

    Only whoever knows that no EXCHANGE was sent may call this. Raises ApplyError where a host does not answer, or does
    not follow.
    """
    if (yield from withdraw_everywhere(database, mark, reach, seconds)):
        yield from clear_everywhere(database, mark, reach)
        return True
    return (yield from give_up_everywhere(database, mark, reach))


def withdraw_everywhere(database: str, mark: ReplicatedMark, reach: Reach, seconds: float) -> Routine[bool]:
    """The same, but for the staging tables and the mark, which names them; False where the table is another one by
    now."""
    if mark.phase != "copy":
        raise AssertionError("from the exchange on there is one way only")
    # Where the line that said 'swap' got no answer it may be there.
    yield from update_replicated_mark(database, mark)
    # Writers before anything that fails where a host is away: one host of each shard is enough to let them in.
    yield from open_somehow(database, mark.table, mark.sources, reach)
    found = yield from tables_everywhere(reach, database, (mark.table,), mark.table)
    ours = frozenset(
        place
        for place, tables in found.items()
        if (live := tables.get(mark.table)) is not None and live.uuid == mark.source_at(place)
    )
    if ours and ours != reach.places:
        raise ApplyError(
            f"{mark.table}: host {named(reach.topology, reach.places - ours)} does not have the table that was to be "
            "copied under its name any more, and the others have that one still. Nothing was changed. Give it its name "
            "back there (ATTACH TABLE, where somebody has detached it), and run again"
        )
    if ours:
        peers = yield from reached_workers(reach)
        uuids = {place: mark.source_at(place) for place in reach.places}
        shards = yield from shards_of(reach, database, mark.table, uuids, peers)
        for shard in shards:
            # Guards before the fence: an ALTER of the run that is over drops one, so when it comes late the server
            # refuses it.
            yield from at_host(shortly(remove_guards(shard.source)), shard.peer)
        yield from admit_everywhere(reach, shards, seconds)
        # Behind the writers: merges that stand still for a moment longer harm nobody.
        yield from set_everywhere(database, mark.table, mark.saved, reach)
    # Only when writers and merges go on: until then the new table does no harm.
    yield from drop_everywhere(database, mark.shadow_name, reach)
    return bool(ours)


def give_up_everywhere(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[bool]:
    """No host has the table under its name any more: drop what was copied of it. The mark goes with that, unless it may
    come back (False): it then has our constraint and our settings still, and the mark alone says what they were. Each
    start under the lease looks again."""
    if how := (yield from away_on_hosts(reach, mark.sources, mark.table)):
        yield from drop_staged(mark.staged_in, reach)
        yield Emit(Note(_waits(mark, how), "warning"))
        return False
    if (yield from _give_up_moved(database, mark, reach)):
        return True
    yield Emit(
        Note(
            f"{mark.table} was replaced or dropped by somebody else while it was copied. If it is there under "
            "another name, it may refuse writers (a constraint of ours) and merge nothing: ALTER TABLE ... DROP "
            "CONSTRAINT, RESET SETTING",
            "warning",
        )
    )
    yield from clear_everywhere(database, mark, reach)
    return True


def _give_up_moved(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[str]:
    """The same where somebody has moved it, as one table on all hosts: what became of it, for people; '' where not."""
    now = yield from release_moved(mark.sources, mark.table, mark.saved, reach)
    if not now:
        return ""
    said = (
        f"{mark.table} was moved by somebody else while it was copied, and is {now} now: its writers are let in, and "
        "its merges go on. The copy was given up"
    )
    yield from drop_everywhere(database, mark.shadow_name, reach)
    yield from clear_everywhere(database, mark, reach)
    yield Emit(Note(said, "warning"))
    return said


def release_moved(uuids: Sequence[str], name: str, saved: Settings, reach: Reach) -> Routine[str]:
    """Let writers and merges of a table go on that has another name by now, or is in another database, on all hosts:
    that one. '' where they do not show one and the same. ``uuids``: its storage on each host; ``saved``: the settings
    that it had, none where they are not changed."""
    moved = yield from moved_on_hosts(reach, uuids, name)
    if moved is None:
        return ""
    by_place = {place: uuids[place - 1] for place in reach.places}
    shards = yield from shards_of(reach, *moved, by_place, (yield from reached_workers(reach)))
    for shard in shards:
        # Guards before the fence, as in ``undo_everywhere``.
        yield from at_host(shortly(remove_guards(shard.source)), shard.peer)
    yield from admit_everywhere(reach, shards, _SECONDS)
    if saved:
        yield from set_everywhere(*moved, saved, reach)
    return ".".join(moved)


def _waits(mark: ReplicatedMark, how: str) -> str:
    return (
        f"{mark.table} was {how} by somebody else while it was copied. Once all hosts have it again, the next start "
        "lets its writers in and gives it its settings back"
    )


def open_somehow(database: str, name: str, sources: Sequence[str], reach: Reach) -> Routine[None]:
    """Before the exchange: let writers in by the log of a table, through one host of each shard that answers. Those
    that are away follow when they are back. ``sources``: its storage on each host, in the order of the cluster.

    Raises what the last host said of a shard for which none could be told.
    """
    known: Mapping[int, Peer] = {}
    if has_several_shards(reach):
        known = yield from answering_peers(reach.topology)
    failed: AaiclickError | None = None
    for shard in sorted(workers(reach)):
        places = hosts_of_shard(reach, shard).places
        error: AaiclickError | None = None
        # The host that is connected to first: it answers.
        for place in sorted(places, key=lambda each: (each != reach.here, each)):
            if place != reach.here and place not in known:
                continue
            peer = known[place] if place != reach.here else None
            try:
                yield from at_host(_open_here(database, name, sources[place - 1]), peer)
            except AaiclickError as refused:
                error = refused
            else:
                error = None
                break
        failed = error or failed
    if failed is not None:
        raise failed


def _open_here(database: str, name: str, uuid: str) -> Routine[None]:
    here = yield from physical(database, name)
    if here is not None and here.uuid == uuid and here.constrained:
        yield from open_by_log(here)


def is_restored(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[bool]:
    """True where no host has any storage that the mark names: it came with a backup, or all of them were dropped.

    RESTORE makes new storages. False where a host does not answer: it may have one.
    """
    return (yield from are_gone(database, {uuid for uuid in (*mark.sources, mark.shadow) if uuid}, reach))


def are_gone(database: str, wanted: Collection[str], reach: Reach) -> Routine[bool]:
    """True where every host answers, and none has a storage with one of these UUIDs."""
    rows = yield Query(
        f"SELECT toInt64(_shard_num), toInt64(1) FROM {reach.topology.everywhere('system.tables')} WHERE database = "
        "unhex({db:String}) AND has(splitByChar(',', {uuids:String}), toString(uuid)) UNION ALL SELECT "
        f"toInt64(_shard_num), toInt64(0) FROM {reach.topology.everywhere('system.one')}",
        {"db": hexed(database), "uuids": ",".join(sorted(wanted))},
        LOOK,
    )
    answered = {number(row[0]) for row in rows}
    return answered >= reach.places and not any(number(row[1]) for row in rows)


def settle_restored_everywhere(database: str, mark: ReplicatedMark, reach: Reach, seconds: float) -> Routine[str]:
    """Let writers and merges of the table go on, found by its name alone; what became of it, for people.

    What the run had copied goes where its exchange cannot have begun. From then on both tables are left: rows that came
    late may be in one of them alone. The database with the staging tables is no part of a backup of this one: where
    there is one of that name, it is that of a run of the database that was saved. Where a host lists a storage of the
    mark as detached or dropped, it may come back: the mark stays until it does, or is gone for good.

    Raises ApplyError where some hosts have the table and others have not: without the mark nobody would let its
    writers in.
    """
    how = yield from away_on_hosts(reach, (*mark.sources, mark.shadow), mark.table)
    found = yield from tables_everywhere(reach, database, (mark.table, mark.shadow_name), mark.table)
    placed = {place: tables[mark.table] for place, tables in found.items() if mark.table in tables}
    live = {place: table.uuid for place, table in placed.items()}
    if how and not any(is_held(table) for table in placed.values()):
        # No backup: what has the name now, if anything, is none of ours.
        if mark.phase == "copy":
            yield from drop_everywhere(database, mark.shadow_name, reach)
            yield from drop_staged(mark.staged_in, reach)
        yield Emit(Note(_waits(mark, how), "warning"))
        return _waits(mark, how)
    if live and live.keys() != reach.places:
        lacking = named(reach.topology, reach.places - live.keys())
        raise ApplyError(
            f"{mark.table} was restored while its copy was unfinished, and host {lacking} does not have it. Where it "
            "is, writers may be refused. Nothing was changed. Restore it there too, or drop it on all hosts; then run "
            "again"
        )
    # Writers first: no later error may leave them locked out.
    if live:
        yield from _release_by_name(database, mark, live, reach, seconds)
    elif mark.phase == "copy" and (moved := (yield from _give_up_moved(database, mark, reach))):
        return moved
    said = (
        f"{mark.table}: none of the tables that were there when its copy was begun is there any more. It came with a "
        "backup, or somebody took them away: "
    ) + (
        "writers are let in"
        if live
        else "no host has it now. One that is attached again may refuse writers (a constraint of ours): ALTER TABLE "
        "... DROP CONSTRAINT"
    )
    if mark.phase == "copy":
        yield from drop_everywhere(database, mark.shadow_name, reach)
    elif any(mark.shadow_name in tables for tables in found.values()):
        said += (
            f". {mark.shadow_name} is the old one or the new one, whichever {mark.table} is not, and may have rows "
            "that came late: look at it, and drop it"
        )
    # Behind everything that it describes: a kill before this line and the next run does the same once more, to no
    # effect.
    if not how:
        yield from drop_replicated_mark(database, mark)
    yield Emit(Note(said, "warning"))
    return said


def _release_by_name(
    database: str, mark: ReplicatedMark, live: Mapping[int, str], reach: Reach, seconds: float
) -> Routine[None]:
    """Let writers and merges of what has the table's name go on. ``live``: its storage on every host."""
    shards = yield from shards_of(reach, database, mark.table, live, (yield from reached_workers(reach)))
    for shard in shards:
        # Guards before the fence, as in ``undo_everywhere``.
        yield from at_host(shortly(remove_guards(shard.source)), shard.peer)
    yield from admit_everywhere(reach, shards, seconds)
    if mark.phase == "copy":
        # The copy goes in any case, so parts may be merged again.
        yield from set_everywhere(database, mark.table, mark.saved, reach)
    else:
        yield from settle_settings(database, mark.table, mark.work.form, reach)


def clear_everywhere(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[None]:
    """Drop the staging tables on whatever host has them, and the mark last."""
    # The mark names this database: dropped first, it would leave nobody who knows of it.
    yield from drop_staged(mark.staged_in, reach)
    yield from drop_replicated_mark(database, mark)


def drop_staged(staged_in: str, reach: Reach) -> Routine[None]:
    """Drop a database with staging tables on whatever host has it."""
    topology = reach.topology
    places = yield from _with_database(staged_in, reach)
    if not places:
        return
    if places == [reach.here]:
        yield Command(drop("DATABASE", quote_name(staged_in), if_exists=True, sync=True))
        return
    # The host of a run that was killed.
    everywhere = on_cluster(quote_name(staged_in), topology.cluster)
    yield Command(drop("DATABASE", everywhere, if_exists=True, sync=True), settings=QUEUE)
    wait = Wait(0.05, 1.0)
    while places := (yield from _with_database(staged_in, reach)):
        if wait.waited > _SECONDS:
            raise ApplyError(
                f"host {named(topology, places)} still has database {staged_in} with what an earlier run has copied. "
                "Drop it there, and run again"
            )
        wait = yield from rest(wait)


def _with_database(name: str, reach: Reach) -> Routine[list[int]]:
    rows = yield Query(
        f"SELECT toInt64(_shard_num) FROM {reach.topology.everywhere('system.databases')} WHERE name = "
        "unhex({name:String})",
        {"name": hexed(name)},
        LOOK,
    )
    return sorted(number(row[0]) for row in rows)
