"""The mark of a copy on replicas: a note that all hosts share, and that says what belongs to whom.

It is written before anything else is touched and emptied last. Whoever has the lease next finds it through any host:
before the exchange may have begun (``copy``) everything can be undone; from then on (``swap``) there is one way only,
host by host, until every one has the new storage under the table's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.names import mark_table, shadow_table, staging_database
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Routine
from aaiclick.state.comments import CommentFormat, create_commented, drop_commented, replace_comment
from aaiclick.state.replicated.base_blocks import BaseBlock

REPLICATED_FORMAT = 101
"""Of the note. A release that knows no such mark cannot read it, and changes nothing as long as it is there."""
SHARDED_FORMAT = 102
"""The same of a copy on several shards, or of a rollback: a release that knows neither would let writers in on one
shard only, or keep the newer table as an older one."""


@dataclass(frozen=True, slots=True)
class CopiedShard:
    """What the new table has of one shard, where there are several."""

    shard: int
    """The number of the shard."""
    high: tuple[tuple[str, int], ...]
    """For each partition the highest block whose rows the new table has."""
    rows: int
    """Rows of the parts of the source when it was copied."""


@dataclass(frozen=True, slots=True)
class ReplicatedMark:
    """What the next run has to know of a copy on replicas."""

    name: str
    """That of the note."""
    table: str
    """The user's name of the table."""
    hosts: tuple[str, ...]
    """All hosts, as sentences call them, in the order of the cluster."""
    sources: tuple[str, ...]
    """UUID of the storage with the user's rows on each of them."""
    work: RebuildWork | AttachWork
    """What is carried out."""
    saved: Settings
    """The settings of the source before its merges were stopped; the same on all hosts."""
    shadow_name: str
    """Where the new table is until the exchange, and the old one after it."""
    worker: str
    """The host that copies; of several shards that of each, with a comma between them."""
    staged_in: str
    """The database with the staging tables, which hosts that copy have each for themselves."""
    keep_old_seconds: int = 0
    """How long the old table is kept; 0: it is dropped."""
    phase: Literal["copy", "swap"] = "copy"
    """'copy' until the exchange may have begun on some host."""
    shadow: str = ""
    """UUID of the new storage, on all hosts; '' before it is made."""
    high: tuple[tuple[str, int], ...] = ()
    """For each partition the highest block whose rows the new table has."""
    rows: int = 0
    """Rows of the parts of the source when it was copied."""
    expiring: bool = False
    """The source has a TTL: rows of it may go by themselves."""
    known: tuple[str, ...] = ()
    """The mutations and patch parts that the source had when it was copied."""
    since: int = 0
    """Server time when the mark was made, Unix seconds."""
    format: int = REPLICATED_FORMAT
    """Of the note."""
    cluster: str = ""
    """The name of the cluster, where there are several shards; '' where there is one."""
    shards: tuple[CopiedShard, ...] = ()
    """In place of ``high`` and ``rows``, where there are several."""
    counts: bool = False
    """The new table keeps block numbers, by which a rollback tells what came since."""
    numbered: bool = False
    """It does because of a setting of ours."""
    bases: tuple[BaseBlock, ...] = ()
    """With ``counts``: the blocks that the new table had reached at the exchange."""
    apart: bool = False
    """The source is not replicated: each host has one of its own, and ``shards`` are hosts."""
    back_to: int | None = None
    """The version of a rollback; None: it is none."""
    defined: tuple[str, ...] = ()
    """What the definition of the source was on each host when the copy began (``definition_of``), in their order; one
    alone where it was the same on all; none where nobody looked."""
    detached: tuple[str, ...] = ()
    """Detached parts of the source, each with its host, that go with it: that was allowed by name."""

    def source_at(self, place: int) -> str:
        """The storage with the user's rows on the host of that place."""
        # Places count from 1, as ``_shard_num`` does.
        return self.sources[place - 1]

    def defined_at(self, place: int) -> str:
        """What the definition of the source was on the host of that place; '' where nobody looked."""
        return self.defined[place - 1 if len(self.defined) > 1 else 0] if self.defined else ""

    def copied(self, shard: int) -> CopiedShard:
        """What the new table has of a shard."""
        # A copy on one shard says it in ``high`` and ``rows``.
        found = [each for each in self.shards if each.shard == shard]
        return found[0] if found else CopiedShard(shard, self.high, self.rows)


# Left out where they say nothing, so that notes which earlier releases can read stay what they were, byte for byte.
COMMENT = CommentFormat(
    ReplicatedMark,
    frozenset({"cluster", "shards", "counts", "numbered", "bases", "back_to", "apart", "defined", "detached"}),
    frozenset({"looks"}),
)


def mark_of(
    work: RebuildWork | AttachWork,
    nonce: str,
    hosts: tuple[str, ...],
    sources: tuple[str, ...],
    worker: str,
    saved: Settings,
    keep_old_seconds: int,
) -> ReplicatedMark:
    """The mark of a copy that is about to begin; nothing is sent."""
    # All names carry the nonce and stand in the mark before anything of them is made: a kill leaves nothing unnamed.
    table = work.table
    shadow, staged_in = shadow_table(nonce, table), staging_database(nonce, table)
    return ReplicatedMark(
        mark_table(nonce, table), table, hosts, sources, work, saved, shadow, worker, staged_in, keep_old_seconds
    )


def write_replicated_mark(database: str, mark: ReplicatedMark) -> Routine[None]:
    """Make it. Every host shows it when it is read the next time."""
    yield from create_commented(database, mark.name, COMMENT.dump(mark))


def update_replicated_mark(database: str, mark: ReplicatedMark) -> Routine[ReplicatedMark]:
    """Replace what it says. Only whoever has the lease can: a line of any other run is refused."""
    yield from replace_comment(database, mark.name, COMMENT.dump(mark))
    return mark


def drop_replicated_mark(database: str, mark: ReplicatedMark) -> Routine[None]:
    """The last thing that a copy does."""
    yield from drop_commented(database, mark.name)


def parse_replicated_mark(comment: str) -> ReplicatedMark | None:
    """What a note says; None where it is another one, or of a newer release."""
    formats = (REPLICATED_FORMAT, SHARDED_FORMAT)
    # Looked for in the text first: the mark of a copy on one host would be taken apart for nothing.
    mark = COMMENT.load(comment) if any(f'"format":{each}' in comment for each in formats) else None
    return mark if mark is not None and mark.format in formats else None
