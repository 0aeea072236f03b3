"""Fills the target of a new materialized view on a cluster: in each shard one host computes what the view would have
made of the older rows, chunk by chunk, into a staging table of its own, and inserts each part of that into the target.

Writers go on meanwhile, and the view writes into the same target. MOVE PARTITION into a replicated table is refused,
and ATTACH takes equal parts for one. So it is inserted, part by part (``insert_once``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.apply.backfill.chunk import Attempts, ChunkJob, compute_chunk
from aaiclick.apply.backfill.fill import own_table_of
from aaiclick.apply.backfill.insert_once import how_given_up, insert_staged, require_remembered, staged_of
from aaiclick.apply.rebuild.chunks import bounds, cut_chunks
from aaiclick.apply.replicated.hosts import require_reached
from aaiclick.apply.replicated.rebuild import make_staging
from aaiclick.apply.replicated.shards import at_host, has_several_shards, workers
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.render import local_family
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.tables import require_table
from aaiclick.clock import clock
from aaiclick.errors import ApplyError
from aaiclick.events import ChunkDone, Progress
from aaiclick.plan.operations import Fill
from aaiclick.routine import Emit, Peer, Routine, number, text
from aaiclick.sql.hex_text import hexed
from aaiclick.state.backfill_mark import STAGE_PREFIX
from aaiclick.state.replicated.backfill_mark import ReplicatedBackfillMark, blocks_of, update_replicated_backfill

_UNREAD = (
    "SELECT toInt64(_shard_num), arrayStringConcat(arrayMap((d, n) -> concat(d, '.', n), dependencies_database, "
    "dependencies_table), ', ') FROM {tables} WHERE database = unhex({{db:String}}) AND name = unhex({{name:String}}) "
    "AND notEmpty(dependencies_table)"
)


def require_unread(database: str, target: str, view: str, reach: Reach) -> Routine[None]:
    """Raise ApplyError where a materialized view on any host reads the target: the INSERTs of the fill would set it
    off, perhaps twice."""
    # Each host has the views of its own metadata: one that was made by hand on a single host shows there alone.
    sql = _UNREAD.format(tables=reach.topology.everywhere("system.tables"))
    for place, views in (yield from ask_all(reach, sql, {"db": hexed(database), "name": hexed(target)}, view)):
        raise ApplyError(
            f"{view}: on host {reach.topology.at(number(place)).label} {text(views)} reads {target}, and would not see "
            "each row once that is brought into it. Nothing was changed"
        )


def fill_shards(
    database: str, mark: ReplicatedBackfillMark, fill: Fill, reach: Reach, options: ApplyOptions
) -> Routine[tuple[ReplicatedBackfillMark, int]]:
    """Bring everything up to the noted blocks into the target, in every shard; the mark, and the rows that were read.

    Can be begun again after a crash at any point. Raises ApplyError where parts were merged across that block, where
    rows keep changing, or where nobody can tell any more what came in.
    """
    target = fill.target or (yield from own_table_of(database, mark.work.view))
    yield from require_unread(database, target, mark.work.view, reach)
    if not mark.target:
        mark = yield from update_replicated_backfill(database, replace(mark, target=target))
    # Where all is done through the host that is connected to, no other one has to be within reach by itself.
    alone = not has_several_shards(reach) and (mark.stage is None or mark.stage.place == reach.here)
    peers: Mapping[int, Peer] = {} if alone else (yield from require_reached(reach))
    if mark.stage is not None:
        # A run was killed between this note and the next. First: its blocks are not in ``done`` yet, and would be
        # computed once more under other names.
        yield from require_remembered(database, mark, mark.stage, reach)
        mark = yield from insert_staged(database, mark, mark.stage, fill, _peer(peers, mark.stage.place, reach), reach)
    read = 0
    for shard, place in sorted(workers(reach).items()):
        peer = _peer(peers, place, reach)
        yield from at_host(make_staging(mark.staged_in), peer)
        mark, rows = yield from _fill_shard(database, mark, fill, reach, options, shard, place, peer)
        read += rows
    return mark, read


def _peer(peers: Mapping[int, Peer], place: int, reach: Reach) -> Peer | None:
    return None if place == reach.here else peers[place]


def _fill_shard(
    database: str,
    mark: ReplicatedBackfillMark,
    fill: Fill,
    reach: Reach,
    options: ApplyOptions,
    shard: int,
    place: int,
    peer: Peer | None,
) -> Routine[tuple[ReplicatedBackfillMark, int]]:
    """The same for one shard, by one of its hosts."""
    source = yield from at_host(require_table(database, fill.source, mark.places(fill.source)[place - 1]), peer)
    form = yield from at_host(_form(database, mark.target), peer)
    staging, told = f"{STAGE_PREFIX}{shard}", shard if has_several_shards(reach) else 0
    job = ChunkJob(database, source, fill, mark.target, form, mark.staged_in, options.restarts * 10)
    started, rows, attempts = (yield from clock()), 0, Attempts()
    while True:
        present = yield from at_host(parts(source), peer)
        due = _due(present, mark, shard)
        if not due:
            return mark, rows
        _require_unmixed(database, due, mark, shard, reach)
        total, begun = sum(part.rows for part in due), (yield from clock())
        most, size = bounds(present, options.chunk_rows, options.chunk_bytes)
        # In the order of blocks, so that what is done is one number for each partition.
        chunk = cut_chunks(due, rows=most, size=size, ordered=True)[0]
        if not rows:
            yield Emit(Progress(fill.target or mark.work.view, "backfill", 0, total, begun - started, told))
        # Also where a killed run left one of that name: it is dropped and made anew, with another UUID.
        again = yield from at_host(compute_chunk(job, chunk, staging, attempts), peer)
        if again is not None:
            attempts = again
            continue
        # A kill up to here costs the chunk that was computed, and nothing else: nothing is in the target yet.
        stage = yield from staged_of(database, mark, reach, shard, place, peer, staging, chunk)
        # From here on the rows are never computed again: a second INSERT of the same name has the same rows.
        mark = yield from update_replicated_backfill(database, replace(mark, stage=stage))
        mark = yield from insert_staged(database, mark, stage, fill, peer, reach)
        rows += chunk.rows
        now = yield from clock()
        yield Emit(ChunkDone(fill.source, "backfill", chunk.rows, chunk.bytes, now - begun, verified=False, shard=told))
        into = fill.target or mark.work.view
        yield Emit(Progress(into, "backfill", rows, rows + total - chunk.rows, now - started, told))


def _due(present: tuple[Part, ...], mark: ReplicatedBackfillMark, shard: int) -> list[Part]:
    done, high = blocks_of(mark.done, shard), blocks_of(mark.high, shard)
    return [
        part
        for part in present
        if not part.patch and part.last > done.get(part.partition, -1) and part.first <= high.get(part.partition, -1)
    ]


def _require_unmixed(database: str, due: list[Part], mark: ReplicatedBackfillMark, shard: int, reach: Reach) -> None:
    done, high = blocks_of(mark.done, shard), blocks_of(mark.high, shard)
    mixed = [
        part.name for part in due if part.first <= done.get(part.partition, -1) or part.last > high[part.partition]
    ]
    if mixed and mark.work.fill is not None:
        raise ApplyError(
            f"{mark.work.fill.source}: parts {', '.join(mixed[:3])} mix rows that {mark.target} has with rows that it "
            f"lacks, because somebody merged them while it was filled. {how_given_up(database, mark, reach.topology)}"
        )


def _form(database: str, target: str) -> Routine[TableForm]:
    """The target as a table of one host. Its rows do not expire there: parts that a merge changes would have other
    names."""
    live = (yield from read_catalog(database, (target,))).objects.get(target)
    if live is None or not isinstance(live.form, TableForm) or not live.engine.startswith("Replicated"):
        raise ApplyError(f"{target} is no replicated table of the MergeTree family: nothing is brought into it")
    local = local_family(live.form)
    return replace(local, ttl="", columns=tuple(replace(column, ttl="") for column in local.columns))
