"""AttachWork on replicas: a new table on all hosts takes over the parts of the old one.

Behind the fence one host of each shard attaches them, and the others link their own parts or fetch. Parts with an
unfinished mutation would be attached without it, so that has to have ended on all hosts.
"""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.apply.alter import Altered, apply_alters
from aaiclick.apply.everywhere import everywhere
from aaiclick.apply.guarded_alter import count_newer
from aaiclick.apply.rebuild.preconditions import agreed_detached, require_as_planned
from aaiclick.apply.rebuild.second_look import look_at_all
from aaiclick.apply.replicated.conditions import (
    as_looked,
    require_altered_by_us_everywhere,
    require_one_owner,
    require_replicas,
    require_unaltered_everywhere,
    until_settled,
)
from aaiclick.apply.replicated.copying import Source, check_before_exchange, close
from aaiclick.apply.replicated.rebuild import replace_on_replicas
from aaiclick.apply.replicated.shadow import attach_in_order, require_shadow_rows, until_complete
from aaiclick.apply.replicated.shards import Replicas, Shard, at_host
from aaiclick.apply.replicated.writers import admit_everywhere
from aaiclick.apply.run import ApplyOptions, Done, Site
from aaiclick.clickhouse.mutations import Mutation, mutations
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.shared.host_answers import names_on_all
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import AttachWork
from aaiclick.routine import Routine
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.mark import ReplicatedMark


def attach_on_replicas(work: AttachWork, site: Site) -> Routine[Done]:
    """Carry out an ``AttachWork`` on all hosts. Before the exchange every error leaves the table as its ``alters`` made
    it, without scratch objects; from then on the next run brings it to its end."""
    database, options = site.database, site.options
    # Asked before anything is sent: the ALTERs of a step that cannot be carried out must not be there.
    replicas = yield from as_looked(work, database, options)
    require_as_planned(replicas.source, options)
    if work.alters:
        # What ALTER can do comes first, while no scratch table is there: a refusal leaves nothing to be undone.
        looked = names_on_all(replicas.reach, database, work.table)
        yield from agreed_detached(work.table, looked, options, at_once=True)
        for shard in replicas.shards:
            yield from at_host(look_at_all(shard.source, work.looks), shard.peer)
        altered = Altered(database, work.table, work.settings, options, work.seen)
        yield from everywhere(apply_alters(altered, work.alters), options.reach)
        # Once more: the ALTERs have changed the definition, and a host may have gone away meanwhile.
        before, replicas = replicas, (yield from require_replicas(work, database, options))
        require_altered_by_us_everywhere(before, replicas, work)

    def fill(mark: ReplicatedMark) -> Routine[tuple[ReplicatedMark, int]]:
        seen = yield from _closed(work, replicas, site)
        # The server attaches no parts of a table with other columns, and does not say whose ALTER it was.
        yield from require_unaltered_everywhere(replicas, mark)
        name, attached = qualified(database, work.table), 0
        for shard, looked in zip(replicas.shards, seen, strict=True):
            taken = [(partition, name) for partition in sorted({part.partition for part in looked.parts})]
            yield from attach_in_order(shard, mark, taken, work.settings)
            rows = sum(part.rows for part in looked.parts)
            # A host that had no rows of its own shows those of the host that had.
            if rows or not mark.apart:
                yield from require_shadow_rows(shard, mark, rows)
            attached += rows
        return (yield from check_before_exchange(replicas, mark, seen)), attached

    return (yield from replace_on_replicas(work, site, replicas, fill))


def _closed(work: AttachWork, replicas: Replicas, site: Site) -> Routine[list[Source]]:
    """The parts of each shard behind the fence, at a moment without an unfinished mutation. Raises ApplyError where
    there is none."""
    table, topology, options = replicas.source, replicas.reach.topology, site.options
    for _ in range(options.restarts + 1):
        # ALTERs have made other columns of some that are counted: then that was done before them.
        yield from close(replicas, options, () if work.alters else work.looks)
        # Behind the fence, and on the host that has all rows: no row that meets a guard can come in after this count.
        for shard in replicas.shards if work.guards else ():
            yield from at_host(count_newer(shard.source, work.guards, work.seen), shard.peer)
        listed = yield from mutations(table.database, table.name, topology)
        if all(each.done for each in listed):
            if not replicas.source.engine.startswith("Replicated"):
                assert options.reach is not None
                # A row may have come to another host since, before it was closed.
                yield from require_one_owner(options.reach, table)
            found: list[Source] = []
            for shard in replicas.shards:
                found.append((yield from _parts_of(shard, listed, options)))
            return found
        # A constraint does not keep them out. Writers need not wait for their end.
        yield from admit_everywhere(replicas.reach, replicas.shards, options.fence_seconds)
        yield from until_settled(replicas, options)
    raise ApplyError(
        f"{work.table}: deletes or updates came again and again while writers were being locked out. The table is as "
        "it was: stop them for a moment, and run again"
    )


def _parts_of(shard: Shard, listed: Sequence[Mutation], options: ApplyOptions) -> Routine[Source]:
    table = shard.source
    yield from until_complete(shard, table.name, options.fence_seconds)
    present = yield from at_host(parts(table), shard.peer)
    if any(part.patch for part in present):
        raise ApplyError(
            f"{table.name} has updates that are not yet merged (patch parts), which cannot be attached: OPTIMIZE TABLE "
            "... FINAL first"
        )
    return Source(present, frozenset(each.id for each in listed if each.shard in (0, shard.number)))
