"""The copy of a replicated table on one host of each shard, until the new table has everything on all of them.

    look -> fill what is missing or stale -> ... -> attach -> all hosts have it
         -> [fence on all hosts, drain on all hosts, all rows here] -> look -> fill -> attach -> all hosts have it ->
         swap

Shards take turns, each with one pass over what it lacks, so that none of them falls behind while another is copied.
Writers are refused on all of them together, and let in together where something has to be copied again.

Blocks are numbered in each partition anew, and a number may be used long after it was given out. So what was copied is
known part by part, and what is missing is everything else. DELETEs and UPDATEs go on: what they change is copied again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rebuild.chunks import bounds, cut_chunks
from aaiclick.apply.rebuild.concurrent_mutations import require_rows_only
from aaiclick.apply.rebuild.copy_chunk import Job, SourceChanged, fill_chunk
from aaiclick.apply.rebuild.preconditions import require_none_detached
from aaiclick.apply.rebuild.second_look import Counts, count_all, count_near_newer, require_none
from aaiclick.apply.replicated.chunks import divide_in_order, require_guards
from aaiclick.apply.replicated.conditions import require_unaltered_everywhere, until_settled
from aaiclick.apply.replicated.shadow import (
    attach_in_order,
    attach_staged,
    make_shadow_everywhere,
    require_shadow_rows,
    until_complete,
)
from aaiclick.apply.replicated.shards import Replicas, Shard, at_host
from aaiclick.apply.replicated.writers import admit_everywhere, refuse_everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import mutations
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.shared.host_answers import names_on_all
from aaiclick.clickhouse.shared.replicas import highest_blocks
from aaiclick.clickhouse.statements import drop_table, send
from aaiclick.clock import clock
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note, Progress
from aaiclick.plan.operations import MergeLook
from aaiclick.printable import allow_flag
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.base_blocks import BaseBlock
from aaiclick.state.replicated.mark import CopiedShard, ReplicatedMark, update_replicated_mark
from aaiclick.state.staged_chunks import StagedChunk, covered, rows_in_parts

_ROUNDS = 4
"""Passes over what came meanwhile, before writers are refused: each shorter than the one before."""
_SYNC_SECONDS = 60
"""Seconds that the host which copies may take to fetch what others have written, while writers go on."""


@dataclass(frozen=True, slots=True)
class Copied:
    """How far the copy of a shard has come."""

    staged: tuple[StagedChunk, ...] = ()
    """Chunks that are filled, each in a staging table of its own."""
    attached: tuple[str, ...] = ()
    """Staging tables whose parts the new table has."""
    written: int = 0
    """Rows that this run has copied."""
    passes: int = 0
    """Passes over missing parts that were made."""
    begun: bool = False
    """The new table has the parts of the kept table that it begins with."""


@dataclass(frozen=True, slots=True)
class Copying:
    """How far the copy has come on all shards."""

    mark: ReplicatedMark
    """The mark, as it was written last."""
    shards: tuple[Copied, ...]
    """Each of them, in their order."""
    spoilt: int = 0
    """Looks that found rows deleted or changed since the look before."""
    closed: bool = False
    """Writers are refused on all hosts, and the host that copies has every row of its shard."""

    def with_shard(self, index: int, copied: Copied) -> Copying:
        """The same with another state of one shard."""
        return replace(self, shards=(*self.shards[:index], copied, *self.shards[index + 1 :]))


@dataclass(frozen=True, slots=True)
class Source:
    """The table of a shard at one look: its parts on the host that copies, and what has changed rows of it on any."""

    parts: tuple[Part, ...]
    known: frozenset[str]
    pending: bool = False
    """A mutation has not ended on all hosts."""


Require = Callable[[int, Sequence[Part]], None]
"""Raises ApplyError where the parts of the shard with that number are not to be copied."""


def copy_on_replicas(
    jobs: Sequence[Job],
    replicas: Replicas,
    mark: ReplicatedMark,
    kept: Sequence[Shard] = (),
    staged: Sequence[tuple[StagedChunk, ...]] = (),
    require: Require | None = None,
) -> Routine[tuple[ReplicatedMark, int]]:
    """Fill the new table with all rows, on all hosts; the mark, which says 'swap' by now, and the rows written.
    ``jobs``: one for each shard. ``kept``: a table of which it takes over all parts first, in every shard. ``staged``:
    chunks that are filled already, of each shard. ``require``: is given what is there at each look, so that the last
    time it is what was copied.

    Writers are refused on all hosts when this returns. Raises ApplyError where rows are changed again and again or a
    host does not follow, VerificationError where rows are missing in the copy.
    """
    options = jobs[0].site.options
    state = Copying(mark, tuple(Copied(chunks) for chunks in staged or [()] * len(jobs)))
    while True:
        _require_calm(jobs[0], state)
        before, seen = state, list[Source]()
        for index, job in enumerate(jobs):
            shard = replicas.shards[index]
            looked = yield from parts_in_shard(job, replicas, shard, closed=state.closed)
            if looked.pending:
                # A constraint does not keep it out. Writers need not wait for its end.
                yield from admit_everywhere(replicas.reach, replicas.shards, options.fence_seconds)
                state = replace(state, closed=False, spoilt=state.spoilt + 1)
                break
            if require is not None:
                require(shard.number, looked.parts)
            state = yield from _drop_stale(jobs, replicas, state, index, looked)
            state = yield from _advance(job, shard, state, index, looked, kept[index] if kept else None)
            seen.append(looked)
        # Something was copied or attached in this round: all shards are looked at once more.
        if state != before:
            continue
        # Writers are refused on all hosts, and no shard lacks anything.
        if state.closed:
            break
        yield from close(replicas, options, jobs[0].work.looks)
        state = replace(state, closed=True)
    # Merges are stopped, but for those of expired rows.
    if not state.mark.expiring:
        for index, (shard, copied) in enumerate(zip(replicas.shards, state.shards, strict=True)):
            brought = (yield from _rows_of(kept[index])) if kept else 0
            yield from require_shadow_rows(shard, state.mark, brought + rows_in(copied.staged))
    written = sum(copied.written for copied in state.shards)
    return (yield from check_before_exchange(replicas, state.mark, seen)), written


def rows_in(staged: Sequence[StagedChunk]) -> int:
    """How many rows filled chunks hold."""
    return sum(each.rows for each in staged)


def parts_in_shard(job: Job, replicas: Replicas, shard: Shard, *, closed: bool = False) -> Routine[Source]:
    """The parts of the table in a shard, after the mutations of now have ended on all hosts; behind the fence
    (``closed``) they are not waited for. Raises ApplyError where one changes the columns themselves: the copy was
    planned for others."""
    table, topology = shard.source, replicas.reach.topology
    listed = yield from mutations(table.database, table.name, topology)
    require_rows_only(table.name, listed, job.known)
    if not closed and any(not each.done for each in listed):
        yield from until_settled(replicas, job.site.options)
        listed = yield from mutations(table.database, table.name, topology)
        require_rows_only(table.name, listed, job.known)
    present = yield from at_host(parts(table), shard.peer)
    patches = [part.name for part in present if part.patch]
    # What comes over other shards while these parts are read is seen when it is their turn.
    known = frozenset([*(each.id for each in listed if each.shard in (0, shard.number)), *patches])
    return Source(present, known, closed and any(not each.done for each in listed))


def close(replicas: Replicas, options: ApplyOptions, looks: Sequence[MergeLook] = ()) -> Routine[None]:
    """Refuse writers on all hosts; when this returns the host that copies has every row of its shard that was
    acknowledged anywhere, and merges combine none of them unasked. ``looks``: what is counted for that, before and
    behind the fence.

    Raises ApplyError with the fence still up.
    """
    name = qualified(replicas.source.database, replicas.source.name)
    # First, while writers go on, what the host lacks already: fetched behind the fence, it would keep them waiting.
    with_patience: dict[str, str | int] = {"receive_timeout": _SYNC_SECONDS}
    replicated = replicas.source.engine.startswith("Replicated")
    for shard in replicas.shards if replicated else ():
        sync = Command(system("SYNC REPLICA", f"{name} LIGHTWEIGHT"), settings=with_patience, at=shard.peer)
        try:
            yield from send(sync)
        except StatementError as error:
            label = replicas.labels[shard.worker - 1]
            raise ApplyError(
                f"{replicas.source.name}: host {label}, which copies, does not fetch what other hosts have written "
                f"({error.message}). The table is as it was: run again when its replication works"
            ) from error
    known = yield from _looked_at(replicas, looks)
    yield from refuse_everywhere(replicas, options.fence_seconds)
    for shard in replicas.shards:
        yield from until_complete(shard, replicas.source.name, options.fence_seconds)
    counts: list[Counts] = []
    for shard in replicas.shards if looks else ():
        # The host that copies: by now it has all rows of its shard.
        counts.append((yield from at_host(count_near_newer(shard.source, looks, known[shard.number]), shard.peer)))
    require_none(replicas.source.name, looks, counts)


def _looked_at(replicas: Replicas, looks: Sequence[MergeLook]) -> Routine[Mapping[int, frozenset[str]]]:
    """Count all rows while writers go on; the parts that each shard had, by its number."""
    counts: list[Counts] = []
    known: dict[int, frozenset[str]] = {}
    for shard in replicas.shards if looks else ():
        found, known[shard.number] = yield from at_host(count_all(shard.source, looks), shard.peer)
        counts.append(found)
    require_none(replicas.source.name, looks, counts)
    return known


def check_before_exchange(replicas: Replicas, mark: ReplicatedMark, seen: Sequence[Source]) -> Routine[ReplicatedMark]:
    """The last look before the exchange; the mark, which says that it may happen from now on. ``seen``: the shards, in
    their order."""
    table, reach = replicas.source, replicas.reach
    for shard in replicas.copies:
        # Every host has to have all parts of the new table before the first one exchanges: where some are missing
        # readers would miss rows.
        yield from until_complete(shard, mark.shadow_name)
    blocks = yield from highest_blocks(reach, table.database, table.name)
    copied: list[CopiedShard] = []
    for shard, looked in zip(replicas.shards, seen, strict=True):
        high: dict[str, int] = {}
        for place in shard.reach.places:
            for partition, block in blocks[place].items():
                high[partition] = max(block, high.get(partition, -1))
        # A patch part has no rows of its own, and goes when the server has written it into the others.
        rows = sum(part.rows for part in looked.parts if not part.patch)
        copied.append(CopiedShard(shard.number, tuple(sorted(high.items())), rows))
    # The last look, behind the fence. That is an entry of the log behind every earlier ALTER, and each host carries
    # ALTERs out in their order: so a host that shows the fence shows those too. What comes from here on is found on the
    # old table when it has gone aside.
    yield from require_unaltered_everywhere(replicas, mark)
    # A constraint keeps no DETACH out, nor does a host carry it out in that order: behind the exchange as well.
    yield from require_none_detached(mark.table, names_on_all(reach, table.database, table.name), mark.detached)
    known = frozenset[str]().union(*(looked.known for looked in seen))
    mark = replace(mark, phase="swap", known=tuple(sorted(known)), bases=(yield from _bases(replicas, mark)))
    if len(copied) == 1:
        mark = replace(mark, high=copied[0].high, rows=copied[0].rows)
    else:
        mark = replace(mark, shards=tuple(copied))
    # The one decision for all hosts: before this line is written a kill means "undo", from then on "bring it to its
    # end".
    return (yield from update_replicated_mark(table.database, mark))


def _bases(replicas: Replicas, mark: ReplicatedMark) -> Routine[tuple[BaseBlock, ...]]:
    """The blocks of the new table, which refuses writers until it is in place: what is above them comes afterwards."""
    if not mark.counts:
        return ()
    seen = yield from highest_blocks(replicas.reach, replicas.source.database, mark.shadow_name)
    return tuple(
        (shard.number, partition, block)
        for shard in replicas.shards
        for partition, block in sorted(seen[shard.worker].items())
    )


def _require_calm(job: Job, state: Copying) -> None:
    """Raises ApplyError where rows are deleted or changed again and again."""
    table, options = job.work.table, job.site.options
    if state.spoilt > options.restarts and table not in options.wait_for_deletes:
        raise ApplyError(
            f"{table}: rows were deleted or changed while they were copied, {state.spoilt} times in a row. The table "
            "is as it was: stop deletes and updates while it is rebuilt, or run aaiclick migrate "
            f"{allow_flag(f'wait-for-deletes {table}')} (until a moment without them)"
        )


def _drop_stale(jobs: Sequence[Job], replicas: Replicas, state: Copying, index: int, seen: Source) -> Routine[Copying]:
    """Leave out the chunks of a shard with rows that were deleted or changed since."""
    job, shard, copied = jobs[index], replicas.shards[index], state.shards[index]
    good, stale = divide_in_order(job, copied.staged, seen.parts)
    if not stale:
        return state
    names = {filled.name for filled in stale}
    spoilt = replace(copied, staged=good, passes=min(copied.passes, _ROUNDS - 1))
    state = replace(state.with_shard(index, spoilt), spoilt=state.spoilt + 1)
    said = f"{job.work.table}: rows were deleted or changed while they were copied: they are copied again"
    yield Emit(Note(said, "warning"))
    if state.closed:
        # Chunks have to be filled anew: writers need not wait for that.
        yield from admit_everywhere(replicas.reach, replicas.shards, job.site.options.fence_seconds)
        state = replace(state, closed=False)
    if names & set(copied.attached):
        # The new table has rows of a stale chunk, and no statement takes them out again: it is made anew on all hosts.
        mark = yield from make_shadow_everywhere(replicas, state.mark)
        state = replace(
            state, mark=mark, shards=tuple(replace(each, attached=(), begun=False) for each in state.shards)
        )
    for name in sorted(names):
        yield from at_host(drop_table(job.place, name), shard.peer)
    return state


def _advance(job: Job, shard: Shard, state: Copying, index: int, seen: Source, kept: Shard | None) -> Routine[Copying]:
    """Copy what the staging tables of a shard lack, or attach what the new table lacks; nothing where it lacks
    nothing."""
    copied = state.shards[index]
    there, missing = covered(copied.staged, seen.parts)
    # After so many passes the rest is left until writers are refused: with busy ones there is always more.
    if missing and (state.closed or copied.passes < _ROUNDS):
        made, spoilt = yield from _pass(job, shard, copied, there, missing)
        return replace(state.with_shard(index, made), spoilt=state.spoilt + spoilt)
    if kept is not None and not copied.begun:
        # Before the others: where the later of two rows wins, that is the order in which they came.
        source = qualified(kept.source.database, kept.source.name)
        partitions = sorted({part.partition for part in (yield from _own_parts(kept))})
        taken = [(partition, source) for partition in partitions]
        yield from attach_in_order(shard, state.mark, taken, job.work.settings)
        yield from until_complete(shard, state.mark.shadow_name)
        return state.with_shard(index, replace(copied, begun=True))
    if len(copied.attached) == len(copied.staged):
        return state
    # In the order in which they were filled, which ``divide_in_order`` has seen to where it matters.
    names = [each.name for each in copied.staged if each.name not in copied.attached]
    yield from attach_staged(shard, state.mark, names, job.work.settings)
    yield from until_complete(shard, state.mark.shadow_name)
    return state.with_shard(index, replace(copied, attached=(*copied.attached, *names)))


def _rows_of(kept: Shard) -> Routine[int]:
    return rows_in_parts((yield from _own_parts(kept)))


def _own_parts(kept: Shard) -> Routine[list[Part]]:
    """Its updates are written into them by now, though patch parts may be there still."""
    return [part for part in (yield from at_host(parts(kept.source), kept.peer)) if not part.patch]


def _pass(
    job: Job, shard: Shard, copied: Copied, there: Sequence[Part], missing: Sequence[Part]
) -> Routine[tuple[Copied, int]]:
    """Fill a staging table for each chunk of what is missing; 1 where rows of one were changed meanwhile."""
    options = job.site.options
    rows, size = bounds([*there, *missing], options.chunk_rows, options.chunk_bytes)
    chunks = cut_chunks(
        missing,
        rows=rows,
        size=size,
        ordered=job.work.ordered,
        between=there,
        by_partition=shard.source.engine.startswith("Replicated"),
    )
    done, total, spoilt = rows_in_parts(there), rows_in_parts(there) + rows_in_parts(missing), 0
    for chunk in chunks:
        job.tally.done, job.tally.total = done, total
        done += chunk.rows
        yield from at_host(require_guards(job, chunk), shard.peer)
        try:
            filled = yield from at_host(fill_chunk(job, chunk), shard.peer)
        except SourceChanged:
            spoilt = 1
            continue
        copied = replace(copied, staged=(*copied.staged, filled), written=copied.written + filled.rows)
        seconds = (yield from clock()) - job.started
        yield Emit(Progress(job.work.table, "copy", done, total, seconds, job.shard))
    job.tally.total = 0
    return replace(copied, passes=copied.passes + 1), spoilt
