"""A copy on replicas that a dead run left: undone on all hosts before its exchange may have begun, brought to its end
on all hosts from then on. Through whatever host the next start comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.apply.recovery import Recovered
from aaiclick.apply.replicated.clear import are_gone, is_restored, settle_restored_everywhere, undo_everywhere
from aaiclick.apply.replicated.finish import finish_everywhere
from aaiclick.apply.replicated.hosts import hosts_back, reached_workers, until_joined
from aaiclick.apply.replicated.resume import suspend_everywhere
from aaiclick.apply.replicated.shards import at_host, workers
from aaiclick.apply.replicated.writers import close_by_log, drain_everywhere, until_fenced
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.replicas import Placed, tables_everywhere
from aaiclick.clickhouse.tables import require_table
from aaiclick.clickhouse.topology import named
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.joined import copy_with_joined, joined_since, labels_of_hosts
from aaiclick.state.replicated.mark import ReplicatedMark


def settle_marks(
    owned: Owned, reach: Reach, options: ApplyOptions, *, resume: bool = False
) -> Routine[tuple[Recovered, ...]]:
    """Undo or finish every copy on replicas that a dead run left in a database. Only while holding the lease, after the
    statements of dead runs have ended. ``resume``: as ``recover_killed_runs``.

    Raises ApplyError where a host does not answer or is not one of those that the copy began with: hosts that have the
    old table go on refusing writers until all are there.
    """
    done: list[Recovered] = []
    for written in owned.replicated_marks():
        mark = written
        around = replace(reach, topology=reach.topology.apart) if mark.apart else reach
        # First: of a mark that came with a backup neither the hosts nor the UUIDs mean anything here.
        if (yield from is_restored(owned.database, mark, around)):
            said = yield from settle_restored_everywhere(owned.database, mark, around, options.fence_seconds)
            done.append(Recovered(mark.table, "undone", said))
            continue
        mark = yield from _on_hosts_of_now(owned.database, written, reach)
        if (
            mark.phase == "copy"
            and resume
            # What waits goes on with the hosts that it was begun on.
            and mark.hosts == written.hosts
            and (yield from suspend_everywhere(owned.database, mark, around, options.fence_seconds))
        ):
            done.append(Recovered(mark.table, "waiting"))
            continue
        if mark.phase == "copy":
            if (yield from undo_everywhere(owned.database, mark, around, options.fence_seconds)):
                yield Emit(Note(f"{mark.table}: a copy that was killed on host {mark.worker} was undone on all hosts"))
            done.append(Recovered(mark.table, "undone"))
            continue
        said = f"{mark.table}: an exchange that was begun is not finished, and hosts with the old table refuse writers"
        found = yield from tables_everywhere(around, owned.database, (mark.table, mark.shadow_name), said)
        # Before the exchange is gone on with: a row that the old storage takes now is nowhere else.
        yield from _close_again(owned.database, mark, around, found, options)
        ended = yield from finish_everywhere(owned.database, mark, around, options)
        yield Emit(Note(f"{mark.table}: the exchange that a killed run had begun was finished on all hosts"))
        done.append(Recovered(mark.table, "finished", "; ".join(ended.notes), kept=ended.kept))
    return tuple(done)


def _on_hosts_of_now(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[ReplicatedMark]:
    """The mark by the places of now. Raises ApplyError where it cannot be gone on with on the hosts that are there."""
    labels = labels_of_hosts(reach.topology)
    if labels == mark.hosts:
        return mark
    joined = joined_since(mark.hosts, reach.topology)
    now = copy_with_joined(mark, reach.topology)
    # Elsewhere a host that is new may have the old table and take rows; one that is gone may come back with it.
    if now is None:
        raise ApplyError(
            f"{mark.table}: its copy was begun on the hosts {', '.join(mark.hosts)}, and the cluster has "
            f"{', '.join(labels)} now. Nothing was changed, and writers of {mark.table} may be refused until it is "
            f"brought to its end: {hosts_back(joined, database, reach)}, and run again"
        )
    yield Emit(
        Note(f"{mark.table}: host {', '.join(joined)} joined while it was copied, and takes part in what follows")
    )
    yield from until_joined(reach, database, mark.table)
    return now


def only_waits_everywhere(owned: Owned, reach: Reach) -> Routine[bool]:
    """As ``only_waits``, of what was begun on all hosts; False where one does not answer."""
    copies, feeds = owned.replicated_marks(), owned.replicated_backfills()
    # From the exchange on the old table is kept or dropped only when every host has the new one.
    if any(mark.phase != "copy" for mark in copies):
        return False
    waited_for = [[mark.sources] for mark in copies]
    waited_for += [[feed.places(name) for name in feed.work.sources] for feed in feeds]
    for sources in waited_for:
        gone = False
        for uuids in sources:
            gone = gone or (yield from are_gone(owned.database, uuids, reach))
        if not gone:
            return False
    return True


def _close_again(
    database: str,
    mark: ReplicatedMark,
    reach: Reach,
    found: Mapping[int, Mapping[str, Placed]],
    options: ApplyOptions,
) -> Routine[None]:
    """See to it that hosts with the old storage under the name refuse writers, as they should: somebody may have
    dropped the constraint by hand. What they took meanwhile is found when the old table is looked at."""
    old = {
        place
        for place, tables in found.items()
        if (live := tables.get(mark.table)) is not None and live.uuid == mark.source_at(place)
    }
    if not any(not found[place][mark.table].fenced for place in old):
        return
    said = (
        f"{mark.table}: host {named(reach.topology, old)} has the old table and takes rows, because somebody dropped "
        "the constraint that kept writers out"
    )
    yield Emit(Note(said, "warning"))
    peers = yield from reached_workers(reach)
    for place in workers(reach).values():
        if any(reach.topology.at(each).shard == reach.topology.at(place).shard for each in old):
            # The log is that of the storage: any host of the shard will do, under whatever name it has the table.
            name = mark.table if place in old else mark.shadow_name
            again = _close_here(database, name, mark.source_at(place))
            yield from at_host(again, None if place == reach.here else peers[place])
            if reach.topology.kind == "database":
                break  # its log takes that to every shard
    yield from until_fenced(replace(reach, without=reach.places - old), database, mark.table, 60, up=True)
    # INSERTs that began while there was no constraint.
    yield from drain_everywhere(reach, mark.table, options.drain_seconds, "The next run goes on from here")


def _close_here(database: str, name: str, uuid: str) -> Routine[None]:
    yield from close_by_log((yield from require_table(database, name, uuid)))
