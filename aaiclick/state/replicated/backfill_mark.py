"""The mark of a materialized view that is put in place on all hosts of a cluster: a note that says how far that is.

It is written before writers are refused and emptied last. Whoever has the lease next finds it through any host: while
no statement about the view may have been sent (``closing``) everything is undone; from then on the view is put in place
on all hosts, and what its source held before is brought into its target, shard by shard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.names import staging_database
from aaiclick.plan.operations import BackfillWork
from aaiclick.routine import Routine
from aaiclick.state.backfill_mark import backfill_mark_name
from aaiclick.state.comments import CommentFormat, create_commented, drop_commented, replace_comment
from aaiclick.state.replicated.base_blocks import BaseBlock

FILL_FORMAT = 103
"""Of the note. A release that knows no such mark changes nothing as long as it is there."""


@dataclass(frozen=True, slots=True)
class FilledStage:
    """A staging table with rows that go into the target, and are never computed again."""

    shard: int
    """The number of the shard."""
    place: int
    """The place of the host that has the table."""
    table: str
    """Its name."""
    uuid: str
    """Its storage: with it INSERTs into the target are named, so that each counts once."""
    blocks: tuple[BaseBlock, ...]
    """For each partition the highest block of the source whose rows it has."""
    since: int
    """Server time when it was complete, or when ``inserted`` was noted, Unix seconds."""
    reached: int
    """How many names of INSERTs the target had taken in that shard by then; -1 where nobody could tell."""
    inserted: int = 0
    """So many of its parts are in the target, in their order. Which of the others are, the target knows."""
    rows: int = 0
    """How many rows of the source it was computed from."""


@dataclass(frozen=True, slots=True)
class ReplicatedBackfillMark:
    """How far a view is put in place on all hosts."""

    name: str
    """That of the note."""
    work: BackfillWork
    """All that is needed to go on without a plan."""
    hosts: tuple[str, ...]
    """All hosts, as sentences call them, in the order of the cluster."""
    sources: tuple[tuple[str, ...], ...]
    """For each source of the work the UUID of its storage on each host, in the order of the cluster."""
    staged_in: str
    """The database with the staging tables, which hosts that fill have each for themselves."""
    saved: Settings = ()
    """The settings of the fill's source before its merges were stopped; the same on all hosts."""
    target: str = ""
    """Name of the table that is filled; '' before it is known."""
    window: Settings = ()
    """Its settings for the repetition of INSERTs, where a run has changed them; none does any more."""
    phase: Literal["closing", "opening", "open", "filled"] = "closing"
    """'closing' until writers of all sources are refused on all hosts, 'opening' while statements of the work are sent,
    'open': writers go on and the fill is made. 'filled': it is complete, and merges may go on."""
    sent: int = 0
    """So many statements of the work are through."""
    high: tuple[BaseBlock, ...] = ()
    """For each shard and partition the highest block of the fill's source before the view was there."""
    done: tuple[BaseBlock, ...] = ()
    """For each shard and partition the highest block whose rows are in the target."""
    stage: FilledStage | None = None
    """What comes behind that."""
    held: int | None = None
    """How many rows the fill's source had up to ``high``, over all shards; None where nobody has counted them."""
    read: int = 0
    """How many of them are in the target."""
    cluster: str = ""
    """The name of the cluster, where there are several shards; '' where there is one."""
    format: int = FILL_FORMAT
    """Of the note."""

    def places(self, source: str) -> tuple[str, ...]:
        """The storages of a source, in the order of the cluster."""
        return self.sources[self.work.sources.index(source)]


COMMENT = CommentFormat(ReplicatedBackfillMark, frozenset({"cluster"}))


def backfill_mark_of(
    work: BackfillWork,
    nonce: str,
    hosts: tuple[str, ...],
    sources: tuple[tuple[str, ...], ...],
    saved: Settings,
    cluster: str,
) -> ReplicatedBackfillMark:
    """The mark of a view that is about to be put in place; nothing is sent. ``cluster``: its name, where there are
    several shards."""
    name, staged_in = backfill_mark_name(nonce, work.view), staging_database(nonce, work.view)
    return ReplicatedBackfillMark(name, work, hosts, sources, staged_in, saved, cluster=cluster)


def blocks_of(blocks: tuple[BaseBlock, ...], shard: int) -> dict[str, int]:
    """The highest block of each partition of a shard."""
    return {partition: block for number, partition, block in blocks if number == shard}


def beyond(blocks: tuple[BaseBlock, ...], more: tuple[BaseBlock, ...]) -> tuple[BaseBlock, ...]:
    """The same with higher blocks where ``more`` has some."""
    found = {(shard, partition): block for shard, partition, block in blocks}
    for shard, partition, block in more:
        # Never lower: a host that is behind shows fewer blocks, and what was filled already would be filled again.
        found[shard, partition] = max(block, found.get((shard, partition), -1))
    return tuple((shard, partition, block) for (shard, partition), block in sorted(found.items()))


def write_replicated_backfill(database: str, mark: ReplicatedBackfillMark) -> Routine[None]:
    """Make it. Every host shows it when it is read the next time."""
    yield from create_commented(database, mark.name, COMMENT.dump(mark))


def update_replicated_backfill(database: str, mark: ReplicatedBackfillMark) -> Routine[ReplicatedBackfillMark]:
    """Replace what it says. Only whoever has the lease can: a line of any other run is refused."""
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def drop_replicated_backfill(database: str, mark: ReplicatedBackfillMark) -> Routine[None]:
    """The last thing that is done."""
    yield from drop_commented(database, mark.name)


def parse_replicated_backfill(comment: str) -> ReplicatedBackfillMark | None:
    """What a note says; None where it is another one, or of a newer release."""
    mark = COMMENT.load(comment) if f'"format":{FILL_FORMAT}' in comment else None
    # The text may stand in a name: what was read has to say it as well.
    return mark if mark is not None and mark.format == FILL_FORMAT else None
