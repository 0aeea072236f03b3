"""Puts a table that all hosts keep back in place of the one that replaced it, with the rows that came since.

It is a copy like any other on replicas: the new table of the old form begins with the parts of the kept one, which one
host of each shard attaches, and gets what came since by way of staging tables. So a crash at any point is what a crash
in a copy is; the kept table is dropped when all is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.replicated.conditions import require_replicas
from aaiclick.apply.replicated.rebuild import copied_into_place
from aaiclick.apply.replicated.shadow import until_complete
from aaiclick.apply.replicated.shards import Shard, at_host, shards_of
from aaiclick.apply.rollback.on_shards import RestoreOnShards
from aaiclick.apply.rollback.patches import with_updates
from aaiclick.apply.rollback.since_then import require_not_combined
from aaiclick.apply.rollback.used import drop_used
from aaiclick.apply.run import ApplyOptions, Done, Site
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.shared.replicas import tables_everywhere
from aaiclick.clickhouse.topology import named
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine


def restore_on_replicas(found: RestoreOnShards, site: Site, to: int) -> Routine[Done]:
    """Carry one table back to version ``to`` on all hosts. Before the exchange every error leaves all tables as they
    were; from then on the next run brings it to its end.

    Raises ApplyError, VerificationError, StatementError.
    """
    database, work = site.database, found.work
    replicas = yield from require_replicas(work, database, site.options)
    if any(uuid != found.live for uuid in replicas.sources):
        raise ApplyError(f"{work.table} is not the table that was looked at on all hosts. Nothing was changed")
    live = {shard.number: shard for shard in replicas.shards}
    kept = yield from _kept_shards(found, replicas.reach, database, live, site.options)

    def require(shard: int, live: Sequence[Part]) -> None:
        # Settings keep merges from beginning, and no OPTIMIZE; and one host may have carried out a merge that the one
        # which copies has not come to. Behind the fence all of a shard have the same parts.
        require_not_combined(found.kept.of_shard(shard), live)

    asks = require if found.asks_if_combined else None
    done = yield from copied_into_place(work, found.works, site, replicas, kept, to, asks)
    # When the exchange is over on all hosts: until then the rollback may still be undone.
    notes = done.notes
    for name in found.used:
        notes += yield from drop_used(database, name, replicas.reach, leave_detached=site.options.leave_detached)
    return replace(done, rows=found.rows + done.rows, notes=notes)


def _kept_shards(
    found: RestoreOnShards, reach: Reach, database: str, live: dict[int, Shard], options: ApplyOptions
) -> Routine[tuple[Shard, ...]]:
    """The kept table in every shard, equal on all its hosts. Raises ApplyError where it is not."""
    there = yield from tables_everywhere(reach, database, (found.name,), found.kept.table)
    lacking = [place for place, tables in there.items() if found.name not in tables]
    if lacking:
        raise ApplyError(
            f"host {named(reach.topology, lacking)} does not have {found.name} any more. Nothing was changed"
        )
    uuids = {place: tables[found.name].uuid for place, tables in there.items()}
    peers = {shard.worker: shard.peer for shard in live.values() if shard.peer is not None}
    shards = yield from shards_of(reach, database, found.name, uuids, peers)
    for shard in shards:
        # ATTACH takes what the worker has, so that has to be all of it.
        yield from until_complete(shard, found.name, 60.0)
        # The host that attaches: hard links would leave behind what is in patch parts.
        yield from at_host(with_updates(shard.source, options), shard.peer)
    return tuple(replace(shard, reach=live[shard.number].reach) for shard in shards)
