"""What a staging table holds comes into the target of a fill, each part of it once.

A part becomes one INSERT of one block, under a name that only this part has: Keeper takes a block of that name once,
whoever sends it how often, also where a run that was killed still has one on its way. How many names it knows, and for
how long, the target's settings say. They are left as they are: a longer memory would drop equal INSERTs of its writers.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.backfill.given_up import emptied
from aaiclick.apply.rebuild.chunks import Chunk
from aaiclick.apply.replicated.shards import at_host
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.shared.bookkeeping import insert_settings
from aaiclick.clickhouse.shared.insert_window import insert_window, names_made
from aaiclick.clickhouse.statements import COPY, Sent, ask, drop_table, merged, send
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clickhouse.topology import Topology
from aaiclick.clock import clock
from aaiclick.error_codes import UNKNOWN_SETTING
from aaiclick.errors import ApplyError, StatementError
from aaiclick.plan.operations import Fill
from aaiclick.routine import Command, Peer, Routine, number
from aaiclick.sql.ddl import drop, with_cluster
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.replicated.backfill_mark import (
    FilledStage,
    ReplicatedBackfillMark,
    beyond,
    update_replicated_backfill,
)

_NOTED_INSERTS, _NOTED_SECONDS = 20, 60.0
"""Behind so many INSERTs, or so long, it is noted which parts are in: the target has to remember no more of ours, so a
staging table may have any number of parts."""
_SURE = 0.9
"""Beyond this part of what the target remembers nobody relies on it: names are forgotten by the clock of whichever host
does it."""


def require_reliable(database: str, target: str, view: str, reach: Reach) -> Routine[None]:
    """Raise ApplyError where the target forgets INSERTs too soon."""
    window = yield from insert_window(reach, database, target)
    if not window.reliable:
        raise ApplyError(f"{view}: {window.refusal(target, view)}. Nothing was changed")


def how_given_up(database: str, mark: ReplicatedBackfillMark, topology: Topology) -> str:
    """How a fill is given up that nobody can bring to its end, for the end of a sentence."""
    fill = mark.work.fill
    view = qualified(database, mark.work.view)
    if topology.kind == "queue":
        # The database is none that takes it to the others by its log.
        view = with_cluster(view, topology.cluster)
    dropped = drop("VIEW", view, sync=True)
    said = f"That gives this fill up, and makes and fills the view once more{f' from {fill.source}' if fill else ''}"
    if fill is not None and not fill.target:
        # The table that a view owns goes with it.
        return f"Make it anew: {dropped}, and run again. {said}"
    return (
        f"Make it anew: {dropped}; {emptied(database, mark.target, topology)}; and run again. {said}; what "
        f"anybody else has written into {mark.target} goes, and does not come back"
    )


def staged_of(
    database: str,
    mark: ReplicatedBackfillMark,
    reach: Reach,
    shard: int,
    place: int,
    peer: Peer | None,
    staging: str,
    chunk: Chunk,
) -> Routine[FilledStage]:
    """A staging table that is complete, as the mark names it."""
    table = yield from at_host(require_table(mark.staged_in, staging), peer)
    blocks: dict[str, int] = {}
    for part in chunk.parts:
        blocks[part.partition] = max(part.last, blocks.get(part.partition, -1))
    listed = tuple((shard, partition, block) for partition, block in sorted(blocks.items()))
    since, reached = yield from _now(database, mark, reach, place)
    return FilledStage(shard, place, staging, table.uuid, listed, since, reached, rows=chunk.rows)


def _now(database: str, mark: ReplicatedBackfillMark, reach: Reach, place: int) -> Routine[tuple[int, int]]:
    """Server time, and how many names the target has taken in the shard of a host; -1 where nobody can tell."""
    rows = yield from ask("SELECT toUnixTimestamp(now())")
    return number(rows[0][0]), (yield from names_made(reach, database, mark.target, place))


def require_remembered(database: str, mark: ReplicatedBackfillMark, stage: FilledStage, reach: Reach) -> Routine[None]:
    """Raise ApplyError where the target may have forgotten what a run has inserted that was killed before it could note
    that."""
    window = yield from insert_window(reach, database, mark.target)
    now, reached = yield from _now(database, mark, reach, stage.place)
    seconds, more = now - stage.since, reached - stage.reached
    since = f"up to {max(more, 0):,} INSERTs have come since"
    # Fewer than before: those of another table in Keeper.
    if reached < 0 or stage.reached < 0 or more < 0:
        since = "how many INSERTs have come since cannot be read (system.zookeeper)"
    elif seconds <= window.seconds * _SURE and more <= window.inserts * _SURE:
        return
    raise ApplyError(
        f"{mark.target}: a run was killed {seconds} s ago while it brought rows into it, {since}, and {mark.target} "
        f"remembers {window.inserts:,} INSERTs for {window.seconds} s: which of its rows came in nobody can tell any "
        f"more. {how_given_up(database, mark, reach.topology)}"
    )


def insert_staged(
    database: str, mark: ReplicatedBackfillMark, stage: FilledStage, fill: Fill, peer: Peer | None, reach: Reach
) -> Routine[ReplicatedBackfillMark]:
    """Insert what a complete staging table holds. Can be repeated after a crash at any point."""
    table = yield from at_host(_require_stage(database, mark, stage, reach), peer)
    names = ", ".join(quote_name(name) for name, _ in fill.columns)
    began = yield from clock()
    # Nothing merges them: what was noted as inserted are the first of them in any run.
    for place, part in enumerate((yield from at_host(parts(table), peer))):
        if place < stage.inserted:
            continue
        if place - stage.inserted >= _NOTED_INSERTS or (yield from clock()) - began >= _NOTED_SECONDS:
            since, reached = yield from _now(database, mark, reach, stage.place)
            stage = replace(stage, inserted=place, since=since, reached=reached)
            mark = yield from update_replicated_backfill(database, replace(mark, stage=stage))
            began = yield from clock()
        sql = (
            f"INSERT INTO {qualified(database, mark.target)} ({names}) SELECT {names} FROM "
            f"{qualified(mark.staged_in, stage.table)} WHERE _part = {quote_string(part.name)}"
        )
        # The UUID of the staging table is in it: one that was filled anew has other names, and its blocks are others.
        token = f"aaiclick-{stage.uuid}-{part.partition}-{part.first}-{part.last}"
        yield from at_host(_insert_once(sql, token, part.rows, database), peer)
    # Noted behind the last INSERT: after a kill in between all of them are sent again, and none counts twice.
    done = beyond(mark.done, stage.blocks)
    mark = yield from update_replicated_backfill(
        database, replace(mark, done=done, read=mark.read + stage.rows, stage=None)
    )
    # A kill before this leaves a table that no mark names: the next chunk of the shard takes its name, or it goes with
    # the database at the end.
    yield from at_host(drop_table(mark.staged_in, stage.table), peer)
    return mark


def _require_stage(database: str, mark: ReplicatedBackfillMark, stage: FilledStage, reach: Reach) -> Routine[Physical]:
    try:
        return (yield from require_table(mark.staged_in, stage.table, stage.uuid))
    except ApplyError as error:
        raise ApplyError(
            f"{mark.target}: host {mark.hosts[stage.place - 1]} has lost the rows that were about to be brought into "
            f"it, and which of them came in nobody can tell. {how_given_up(database, mark, reach.topology)}"
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
