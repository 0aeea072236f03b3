"""Fills the target of a new materialized view on a cluster: in each shard one host computes what the view would have
made of the older rows, chunk by chunk, into a staging table of its own, and inserts each part of that into the target.

Writers go on meanwhile, and the view writes into the same target. MOVE PARTITION into a replicated table is refused,
and ATTACH takes equal parts for one. So a part of a staging table becomes one INSERT of one block, under a name that
only this part has: Keeper takes a block of that name once, whoever sends it how often, also where a run that was killed
still has one on its way. For that the target remembers names for longer until the fill is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.apply.backfill.fill import EXTERNAL_BYTES, own_table_of, question, selected_parts, still_there
from aaiclick.apply.rebuild.chunks import Chunk, bounds, cut_chunks
from aaiclick.apply.rebuild.staging import create_from, staging_form
from aaiclick.apply.replicated.hosts import require_reached
from aaiclick.apply.replicated.rebuild import make_staging
from aaiclick.apply.replicated.shards import at_host, has_several_shards, workers
from aaiclick.apply.replicated.stop_merges import saved, set_everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.forms import Settings, TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.render import local_family
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import Part, parts, rows_in_reach
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.shared.bookkeeping import insert_settings
from aaiclick.clickhouse.shared.replicas import highest_blocks
from aaiclick.clickhouse.statements import BLOCKS, COPY, Sent, ask, drop_table, insert_permissively, merged, send
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clock import clock
from aaiclick.error_codes import MEMORY_LIMIT_EXCEEDED, UNKNOWN_SETTING
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import ChunkDone, Note, Progress
from aaiclick.plan.operations import Fill
from aaiclick.routine import Command, Emit, Peer, Routine, number, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.backfill_mark import STAGE_PREFIX
from aaiclick.state.replicated.backfill_mark import (
    REMEMBERING,
    FilledStage,
    ReplicatedBackfillMark,
    beyond,
    blocks_of,
    update_replicated_backfill,
)

_BLOCKS, _SECONDS = 1_000_000, 30 * 86400
"""So many names of blocks the target remembers, and for so long, until the fill is complete."""
_SURE = 0.9
"""Beyond this part of it nobody relies on it: names are forgotten by the clock of whichever host does it."""
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
        table = yield from require_table(database, target)
        # Noted before it is changed: after a kill the next run still knows what to put back.
        before = tuple(saved(table.definition, tuple((name, "") for name in REMEMBERING)).items())
        mark = yield from update_replicated_backfill(database, replace(mark, target=target, window=before))
    yield from set_everywhere(database, target, _longer(mark.window), reach)
    # Where all is done through the host that is connected to, no other one has to be within reach by itself.
    alone = not has_several_shards(reach) and (mark.stage is None or mark.stage.place == reach.here)
    peers = {} if alone else (yield from require_reached(reach))
    if mark.stage is not None:
        # A run was killed between this note and the next. First: its blocks are not in ``done`` yet, and would be
        # computed once more under other names.
        yield from _require_remembered(database, mark, mark.stage, reach)
        mark = yield from _inserted(database, mark, mark.stage, fill, _peer(peers, mark.stage.place, reach))
    read = 0
    for shard, place in sorted(workers(reach).items()):
        peer = _peer(peers, place, reach)
        yield from at_host(make_staging(mark.staged_in), peer)
        mark, rows = yield from _fill_shard(database, mark, fill, reach, options, shard, place, peer)
        read += rows
    return mark, read


def _peer(peers: Mapping[int, Peer], place: int, reach: Reach) -> Peer | None:
    return None if place == reach.here else peers[place]


def _longer(window: Settings) -> Settings:
    before, ours = dict(window), dict(zip(REMEMBERING, (_BLOCKS, _SECONDS), strict=True))
    # Never less than the table had: its own writers may rely on that.
    return tuple((name, str(max(value, int(before.get(name) or 0)))) for name, value in ours.items())


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
    started, rows, restarts, level = (yield from clock()), 0, 0, 0
    while True:
        present = yield from at_host(parts(source), peer)
        due = _due(present, mark, shard)
        if not due:
            return mark, rows
        _require_unmixed(due, mark, shard)
        total, begun = sum(part.rows for part in due), (yield from clock())
        most, size = bounds(present, options.chunk_rows, options.chunk_bytes)
        # In the order of blocks, so that what is done is one number for each partition.
        chunk = cut_chunks(due, rows=most, size=size, ordered=True)[0]
        if not rows:
            yield Emit(Progress(fill.target or mark.work.view, "backfill", 0, total, begun - started, told))
        # Also where a killed run left one of that name: it is dropped and made anew, with another UUID.
        yield from at_host(create_from(staging_form(form, source.uuid), mark.staged_in, staging, ()), peer)
        try:
            yield from at_host(_compute(database, mark, fill, chunk, staging, BLOCKS[level]), peer)
        except OutcomeUnknownError:
            raise
        except StatementError as error:
            if error.code != MEMORY_LIMIT_EXCEEDED or level + 1 == len(BLOCKS):
                raise
            # Some blocks may be in already: this staging table is dropped, and another one filled.
            level += 1
            continue
        selected = selected_parts(chunk)
        reading = rows_in_reach(qualified(database, fill.source), selected, 2 * len(selected) + 262144)
        found = yield from at_host(reading, peer)
        # Asked last: parts that are still there now were there all the time.
        if not (yield from at_host(still_there(source, chunk), peer)):
            restarts += 1
            if restarts > options.restarts * 10:
                raise ApplyError(
                    f"{fill.source}: rows were deleted or changed {restarts} times while {mark.target} was filled "
                    "from it. Run again: it goes on"
                )
            yield Emit(Note(f"{fill.source}: rows were changed while {mark.target} was filled: a chunk begins again"))
            continue
        if found != chunk.rows:
            raise ApplyError(
                f"{fill.source} holds {chunk.rows} rows in {len(chunk.parts)} parts, but {found} can be read: a row "
                "policy or a setting of this user hides the others. Run again without it: it goes on"
            )
        # A kill up to here costs the chunk that was computed, and nothing else: nothing is in the target yet.
        stage = yield from _staged(database, mark, reach, shard, place, peer, staging, chunk)
        # From here on the rows are never computed again: a second INSERT of the same name has the same rows.
        mark = yield from update_replicated_backfill(database, replace(mark, stage=stage))
        mark = yield from _inserted(database, mark, stage, fill, peer)
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


def _require_unmixed(due: list[Part], mark: ReplicatedBackfillMark, shard: int) -> None:
    done, high = blocks_of(mark.done, shard), blocks_of(mark.high, shard)
    mixed = [
        part.name for part in due if part.first <= done.get(part.partition, -1) or part.last > high[part.partition]
    ]
    if mixed and mark.work.fill is not None:
        raise ApplyError(
            f"{mark.work.fill.source}: parts {', '.join(mixed[:3])} mix rows that {mark.target} has with rows that it "
            f"lacks, because somebody merged them while it was filled. {_anew(mark)}"
        )


def _anew(mark: ReplicatedBackfillMark) -> str:
    where = "on all hosts"
    return (
        f"Make it anew: DROP VIEW {mark.work.view} {where}, TRUNCATE TABLE {mark.target} {where}, and run again: that "
        "gives this fill up, and makes and fills the view once more"
    )


def _form(database: str, target: str) -> Routine[TableForm]:
    """The target as a table of one host. Its rows do not expire there: parts that a merge changes would have other
    names."""
    live = (yield from read_catalog(database, (target,))).objects.get(target)
    if live is None or not isinstance(live.form, TableForm) or not live.engine.startswith("Replicated"):
        raise ApplyError(f"{target} is no replicated table of the MergeTree family: nothing is brought into it")
    local = local_family(live.form)
    return replace(local, ttl="", columns=tuple(replace(column, ttl="") for column in local.columns))


def _compute(
    database: str,
    mark: ReplicatedBackfillMark,
    fill: Fill,
    chunk: Chunk,
    staging: str,
    blocks: Mapping[str, str | int],
) -> Routine[None]:
    names = ", ".join(quote_name(name) for name, _ in fill.columns)
    sql = f"INSERT INTO {qualified(mark.staged_in, staging)} ({names}) {question(database, fill, chunk, names)}"
    # The statement lists its parts by name. The server reads 256 KiB of a statement by default, and refuses longer
    # ones.
    size: Sent = {"max_query_size": 2 * len(sql) + 262144, "max_bytes_before_external_group_by": EXTERNAL_BYTES}
    yield from insert_permissively(Command(sql, settings=merged(COPY, size, blocks), database=database, long=True))


def _staged(
    database: str,
    mark: ReplicatedBackfillMark,
    reach: Reach,
    shard: int,
    place: int,
    peer: Peer | None,
    staging: str,
    chunk: Chunk,
) -> Routine[FilledStage]:
    table = yield from at_host(require_table(mark.staged_in, staging), peer)
    rows = yield from ask("SELECT toUnixTimestamp(now())")
    reached = yield from _reached(database, mark, reach, place)
    blocks: dict[str, int] = {}
    for part in chunk.parts:
        blocks[part.partition] = max(part.last, blocks.get(part.partition, -1))
    listed = tuple((shard, partition, block) for partition, block in sorted(blocks.items()))
    return FilledStage(shard, place, staging, table.uuid, listed, number(rows[0][0]), reached)


def _reached(database: str, mark: ReplicatedBackfillMark, reach: Reach, place: int) -> Routine[int]:
    """How many blocks the target has taken in a shard, about: each INSERT counts on in its partition."""
    blocks = yield from highest_blocks(reach, database, mark.target)
    return sum(block + 1 for partition, block in blocks[place].items())


def _require_remembered(database: str, mark: ReplicatedBackfillMark, stage: FilledStage, reach: Reach) -> Routine[None]:
    """Raise ApplyError where the target may have forgotten what a run has inserted that was killed before it could note
    that."""
    rows = yield from ask("SELECT toUnixTimestamp(now())")
    seconds = number(rows[0][0]) - stage.since
    more = (yield from _reached(database, mark, reach, stage.place)) - stage.reached
    if seconds > _SECONDS * _SURE or more > _BLOCKS * _SURE:
        raise ApplyError(
            f"{mark.target}: a run was killed {seconds // 86400} days ago while it brought rows into it, {more:,} "
            f"INSERTs have come since, and which of its rows came in nobody can tell any more. {_anew(mark)}"
        )


def _inserted(
    database: str, mark: ReplicatedBackfillMark, stage: FilledStage, fill: Fill, peer: Peer | None
) -> Routine[ReplicatedBackfillMark]:
    """Insert what a complete staging table holds. Can be repeated after a crash at any point."""
    table = yield from at_host(_require_stage(mark, stage), peer)
    names = ", ".join(quote_name(name) for name, _ in fill.columns)
    for part in (yield from at_host(parts(table), peer)):
        sql = (
            f"INSERT INTO {qualified(database, mark.target)} ({names}) SELECT {names} FROM "
            f"{qualified(mark.staged_in, stage.table)} WHERE _part = {quote_string(part.name)}"
        )
        # The UUID of the staging table is in it: one that was filled anew has other names, and its blocks are others.
        token = f"aaiclick-{stage.uuid}-{part.partition}-{part.first}-{part.last}"
        yield from at_host(_insert_once(sql, token, part.rows, database), peer)
    # Noted behind the last INSERT: after a kill in between all of them are sent again, and none counts twice.
    done = beyond(mark.done, stage.blocks)
    mark = yield from update_replicated_backfill(database, replace(mark, done=done, stage=None))
    # A kill before this leaves a table that no mark names: the next chunk of the shard takes its name, or it goes with
    # the database at the end.
    yield from at_host(drop_table(mark.staged_in, stage.table), peer)
    return mark


def _require_stage(mark: ReplicatedBackfillMark, stage: FilledStage) -> Routine[Physical]:
    try:
        return (yield from require_table(mark.staged_in, stage.table, stage.uuid))
    except ApplyError as error:
        raise ApplyError(
            f"{mark.target}: host {mark.hosts[stage.place - 1]} has lost the rows that were about to be brought into "
            f"it, and which of them came in nobody can tell. {_anew(mark)}"
        ) from error


def _insert_once(sql: str, token: str, rows: int, database: str) -> Routine[None]:
    # One block, so one part: it is there as a whole, or not at all.
    whole: Sent = {
        "max_threads": 1,
        "max_insert_threads": 1,
        "max_block_size": rows,
        "preferred_block_size_bytes": 0,
        "min_insert_block_size_rows": rows,
        "min_insert_block_size_bytes": 0,
    }
    for older in (False, True):
        settings = merged(COPY, whole, insert_settings(token, 1, older=older))
        try:
            # Also after TOO_MANY_PARTS: what is there already is not taken twice.
            yield from send(Command(sql, settings=settings, database=database, long=True))
        except StatementError as error:
            if older or error.code != UNKNOWN_SETTING:
                raise
        else:
            return
