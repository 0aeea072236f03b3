"""Views whose run died while it put them in place on all hosts: undone before the first statement about the view may
have been sent, brought to their end on all hosts from then on. Through whatever host the next start comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.backfill.given_up import without_source
from aaiclick.apply.backfill.on_replicas import (
    close_sources,
    fill_and_end,
    put_in_place,
    undo_on_replicas,
    waits_for_sources,
)
from aaiclick.apply.everywhere import shortly
from aaiclick.apply.replicated.clear import are_gone, open_somehow, release_moved
from aaiclick.apply.replicated.conditions import require_sources
from aaiclick.apply.replicated.hosts import hosts_back, reached_workers, until_joined
from aaiclick.apply.replicated.shards import Replicas, at_host, shards_of
from aaiclick.apply.replicated.stop_merges import is_held, set_everywhere
from aaiclick.apply.replicated.writers import admit_everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.replicas import tables_everywhere
from aaiclick.clickhouse.storages import remove_guards
from aaiclick.clickhouse.topology import named
from aaiclick.errors import AaiclickError, ApplyError
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.backfill_mark import (
    ReplicatedBackfillMark,
    drop_replicated_backfill,
    update_replicated_backfill,
)
from aaiclick.state.replicated.joined import feed_with_joined, joined_since, labels_of_hosts


def settle_backfills(owned: Owned, reach: Reach, options: ApplyOptions) -> Routine[None]:
    """Undo or finish what dead runs began. Only while holding the lease, after the statements of dead runs have ended.

    Raises ApplyError where a host does not answer or is not one of those with which it was begun: until all hosts show
    the view, none of them takes rows.
    """
    database, options = owned.database, replace(options, reach=reach)
    for mark in owned.replicated_backfills():
        uuids = {uuid for each in mark.sources for uuid in each}
        # First: of a mark that came with a backup neither the hosts nor the UUIDs mean anything here.
        if (yield from are_gone(database, uuids, reach)):
            yield from _settle_restored(database, mark, reach, options)
            continue
        # The mark knows a host by its place in this list: with another list a UUID would be looked for on the wrong
        # host.
        now = yield from _on_hosts_of_now(database, mark, reach)
        yield from _settle(database, now, reach, options)


def _on_hosts_of_now(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[ReplicatedBackfillMark]:
    """The mark by the places of now. Raises ApplyError where it cannot be gone on with on the hosts that are there."""
    labels = labels_of_hosts(reach.topology)
    if labels == mark.hosts:
        return mark
    now = feed_with_joined(mark, reach.topology)
    if now is None:
        back = hosts_back(joined_since(mark.hosts, reach.topology), database, reach)
        raise ApplyError(
            f"{mark.work.view}: it was about to be put in place on the hosts {', '.join(mark.hosts)}, and the "
            f"cluster has {', '.join(labels)} now. Nothing was changed, and writers of "
            f"{', '.join(mark.work.sources)} may be refused until that is brought to its end: {back}, and run again"
        )
    for name in mark.work.sources:
        yield from until_joined(reach, database, name)
    # Written down before it is used: what follows notes places of now in it.
    return (yield from update_replicated_backfill(database, now))


def _settle(database: str, mark: ReplicatedBackfillMark, reach: Reach, options: ApplyOptions) -> Routine[None]:
    if mark.phase == "closing":
        # Whoever is away: no statement about the view was sent, so writers need not wait for that host.
        yield from admit_somehow(database, mark, reach)
    if mark.phase != "filled":
        # Every host has to be there: one that is away may show the view or not, and nobody could tell.
        sources = yield from require_sources(mark.work, database, options, begun=True)
        for each in sources:
            for shard in each.shards:
                # Of a run that was killed while it refused writers, or let them in.
                yield from at_host(shortly(remove_guards(shard.source)), shard.peer)
        if mark.phase == "closing":
            yield from undo_on_replicas(database, mark, sources, options)
            yield Emit(Note(f"{mark.work.view}: a run that was killed before it was made was undone on all hosts"))
            return
        mark = yield from _closed_again(database, mark, sources, options)
        # What may have been sent is sent again: DROP has IF EXISTS, and where every host shows the view a CREATE
        # that is refused for that counts as done.
        mark = yield from put_in_place(database, mark, sources, options)
    yield from fill_and_end(database, mark, reach, options)
    yield Emit(Note(f"{mark.work.view}: what a killed run had begun was finished on all hosts"))


def _closed_again(
    database: str, mark: ReplicatedBackfillMark, sources: Sequence[Replicas], options: ApplyOptions
) -> Routine[ReplicatedBackfillMark]:
    """See to it that writers are refused until the view is there: somebody may have dropped the constraint by hand."""
    if mark.phase != "opening":
        return mark
    reach, view = sources[0].reach, mark.work.view
    names = (view, *mark.work.sources)
    found = yield from tables_everywhere(reach, database, names, view)
    if all(tables[name].fenced for tables in found.values() for name in mark.work.sources):
        return mark
    said = f"{view}: somebody has let writers of {', '.join(mark.work.sources)} in before it was there"
    fill = mark.work.fill
    made = [sql for sql in mark.work.statements if sql.startswith("CREATE")]
    if fill is None or not made or any(view in tables for tables in found.values()):
        # What came past the view, and what through it, no number of a block tells any more.
        yield Emit(Note(f"{said} on all hosts: rows of that time may be missing in what it writes", "warning"))
    else:
        yield Emit(Note(said, "warning"))
    # All of it once more, also the drain: INSERTs that began while it was down have not met the view.
    again = yield from close_sources(mark, sources, database, options)
    # Where some host had the view, what was noted before stays: everything up to that came before it.
    keep = any(view in tables for tables in found.values()) or not made
    return replace(again, high=mark.high, held=mark.held) if keep else again


def admit_somehow(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[None]:
    """Let writers in through one host of each shard that answers; the others follow. Raises what the last one said."""
    failed: AaiclickError | None = None
    for name in mark.work.sources:
        try:
            yield from open_somehow(database, name, mark.places(name), reach)
        except AaiclickError as error:
            failed = error
    if failed is not None:
        raise failed


def _came_with_a_backup(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[bool]:
    """Whether what has the name of a source now has our constraint or our settings, with another storage."""
    found = yield from tables_everywhere(reach, database, mark.work.sources, mark.work.view)
    return any(is_held(tables[name]) for tables in found.values() for name in mark.work.sources if name in tables)


def _settle_restored(database: str, mark: ReplicatedBackfillMark, reach: Reach, options: ApplyOptions) -> Routine[None]:
    """Let writers and merges go on, by the names of the tables. The view is left as it is: block numbers, by which the
    fill would go on, are others after a RESTORE. What it lacks is said.

    Where a source is away and may come back, the mark stays. Raises ApplyError where some hosts have a source and
    others have not.
    """
    fill = mark.work.fill
    waits = yield from waits_for_sources(mark, reach)
    if waits and not (yield from _came_with_a_backup(database, mark, reach)):
        return
    peers = yield from reached_workers(reach)
    gone = False
    for name in mark.work.sources:
        found = yield from tables_everywhere(reach, database, (name,), name)
        uuids = {place: tables[name].uuid for place, tables in found.items() if name in tables}
        if not uuids:
            gone = gone or (fill is not None and name == fill.source)
            merging = mark.saved if fill is not None and name == fill.source else ()
            # Moved to another database it is the same storage.
            yield from release_moved(mark.places(name), name, merging, reach)
            continue
        if lacking := reach.places - uuids.keys():
            # With the mark still there: nobody else would let the writers of the other hosts in.
            raise ApplyError(
                f"{name} was restored while {mark.work.view} was being put in place, and host "
                f"{named(reach.topology, lacking)} does not have it. Where it is, writers may be refused. Restore it "
                "there too, or drop it on all hosts; then run again"
            )
        shards = yield from shards_of(reach, database, name, uuids, peers)
        for shard in shards:
            yield from at_host(shortly(remove_guards(shard.source)), shard.peer)
        yield from admit_everywhere(reach, shards, options.fence_seconds)
    for name, settings in ((fill.source, mark.saved), (mark.target, mark.window)) if fill is not None else ():
        if name and settings:
            yield from set_everywhere(database, name, settings, reach)
    if waits:
        return
    # Writers are in and settings are back: from here on the mark would only be in the way.
    yield from drop_replicated_backfill(database, mark)
    if fill is None or mark.phase in ("closing", "filled"):
        return
    # A backup has the source: of a table that was made anew only the name is the same, which nobody can tell from that.
    filled = fill.target or mark.work.view
    said = (
        f"{filled} came with a backup that was made while it was filled from {fill.source}, or {fill.source} was made "
        f"anew: rows that were there before are not all in it. Empty {filled}, drop {mark.work.view}, and run again: "
        "that makes and fills it anew"
    )
    if gone:
        said = yield from without_source(database, mark, reach)
    yield Emit(Note(said, "warning"))
