"""What a staging table holds comes into the target of a fill, each part of it once.

A part becomes one INSERT of one block, under a name that only this part has: Keeper takes a block of that name once,
whoever sends it how often, also where a run that was killed still has one on its way. For that the target remembers
names for longer until the fill is complete.
"""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.rebuild.chunks import Chunk
from aaiclick.apply.replicated.shards import at_host
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.shared.bookkeeping import insert_settings
from aaiclick.clickhouse.shared.replicas import highest_blocks
from aaiclick.clickhouse.statements import COPY, Sent, ask, drop_table, merged, send
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.error_codes import UNKNOWN_SETTING
from aaiclick.errors import ApplyError, StatementError
from aaiclick.plan.operations import Fill
from aaiclick.routine import Command, Peer, Routine, number
from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.state.replicated.backfill_mark import (
    REMEMBERING,
    FilledStage,
    ReplicatedBackfillMark,
    beyond,
    update_replicated_backfill,
)

_BLOCKS, _SECONDS = 1_000_000, 30 * 86400
"""So many names of blocks the target remembers, and for so long, until the fill is complete."""
_SURE = 0.9
"""Beyond this part of it nobody relies on it: names are forgotten by the clock of whichever host does it."""


def remembering_longer(window: Settings) -> Settings:
    """The settings of the target until the fill is complete. ``window``: what it had before."""
    before, ours = dict(window), dict(zip(REMEMBERING, (_BLOCKS, _SECONDS), strict=True))
    # Never less than the table had: its own writers may rely on that.
    return tuple((name, str(max(value, int(before.get(name) or 0)))) for name, value in ours.items())


def made_anew(mark: ReplicatedBackfillMark) -> str:
    """How a fill is given up that nobody can bring to its end, for the end of a sentence."""
    where = "on all hosts"
    return (
        f"Make it anew: DROP VIEW {mark.work.view} {where}, TRUNCATE TABLE {mark.target} {where}, and run again: that "
        "gives this fill up, and makes and fills the view once more"
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


def require_remembered(database: str, mark: ReplicatedBackfillMark, stage: FilledStage, reach: Reach) -> Routine[None]:
    """Raise ApplyError where the target may have forgotten what a run has inserted that was killed before it could note
    that."""
    rows = yield from ask("SELECT toUnixTimestamp(now())")
    seconds = number(rows[0][0]) - stage.since
    more = (yield from _reached(database, mark, reach, stage.place)) - stage.reached
    if seconds > _SECONDS * _SURE or more > _BLOCKS * _SURE:
        raise ApplyError(
            f"{mark.target}: a run was killed {seconds // 86400} days ago while it brought rows into it, {more:,} "
            f"INSERTs have come since, and which of its rows came in nobody can tell any more. {made_anew(mark)}"
        )


def insert_staged(
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
            f"it, and which of them came in nobody can tell. {made_anew(mark)}"
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
