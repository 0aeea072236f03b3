"""The copy of a replicated table on one of its hosts, until the new table has everything on all of them.

    look -> fill what is missing or stale -> ... -> attach -> all hosts have it
         -> [fence on all hosts, drain on all hosts, all rows here] -> look -> fill -> attach -> all hosts have it ->
         swap

Blocks are numbered in each partition anew, and a number may be used long after it was given out. So what was copied is
known part by part, and what is missing is everything else. DELETEs and UPDATEs go on: what they change is copied again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rebuild.chunks import bounds, cut_chunks
from aaiclick.apply.rebuild.concurrent_mutations import require_rows_only
from aaiclick.apply.rebuild.copy_chunk import Job, SourceChanged, fill_chunk
from aaiclick.apply.replicated.chunks import divided, require_guards
from aaiclick.apply.replicated.conditions import Replicas, until_settled
from aaiclick.apply.replicated.shadow import (
    attach_staged,
    make_shadow_everywhere,
    require_shadow_rows,
    until_complete,
)
from aaiclick.apply.replicated.writers import admit_everywhere, refuse_everywhere
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.mutations import mutations
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.shared.replicas import highest_blocks
from aaiclick.clickhouse.statements import drop_table, send
from aaiclick.clock import clock
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note, Progress
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.mark import ReplicatedMark, update_replicated_mark
from aaiclick.state.staged_chunks import StagedChunk, covered, rows_of

_ROUNDS = 4
"""Passes over what came meanwhile, before writers are refused: each shorter than the one before."""
_SYNC_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Copied:
    """How far a copy has come."""

    mark: ReplicatedMark
    """The mark, as it was written last."""
    staged: tuple[StagedChunk, ...] = ()
    """Chunks that are filled, each in a staging table of its own."""
    attached: tuple[str, ...] = ()
    """Staging tables whose parts the new table has."""
    written: int = 0
    """Rows that this run has copied."""
    passes: int = 0
    """Passes over missing parts that were made."""
    spoilt: int = 0
    """Looks that found rows deleted or changed since the look before."""
    closed: bool = False
    """Writers are refused on all hosts, and this host has every row."""


@dataclass(frozen=True, slots=True)
class Source:
    """The table at one look: its parts on the host that copies, and what has changed rows of it on any."""

    parts: tuple[Part, ...]
    known: frozenset[str]
    pending: bool = False
    """A mutation has not ended on all hosts."""


def copy_on_replicas(job: Job, replicas: Replicas, mark: ReplicatedMark) -> Routine[tuple[ReplicatedMark, int]]:
    """Fill the new table with all rows, on all hosts; the mark, which says 'swap' by now, and the rows written.

    Writers are refused on all hosts when this returns. Raises ApplyError where rows are changed again and again or a
    host does not follow, VerificationError where rows are missing in the copy.
    """
    options, table = job.site.options, replicas.source
    state = Copied(mark)
    while True:
        _require_calm(job, state)
        seen = yield from look(job, replicas, closed=state.closed)
        if seen.pending:
            # A constraint does not keep it out. Writers need not wait for its end.
            yield from admit_everywhere(replicas.reach, table, options.fence_seconds)
            state = replace(state, closed=False, spoilt=state.spoilt + 1)
            continue
        state = yield from _drop_stale(job, replicas, state, seen)
        there, missing = covered(state.staged, seen.parts)
        if missing and (state.closed or state.passes < _ROUNDS):
            state = yield from _pass(job, state, there, missing)
        elif len(state.attached) < len(state.staged):
            # In the order in which they were filled, which ``divided`` has seen to where it matters.
            names = [each.name for each in state.staged if each.name not in state.attached]
            yield from attach_staged(replicas, state.mark, names, job.work.settings)
            yield from until_complete(replicas, state.mark.shadow_name)
            state = replace(state, attached=(*state.attached, *names))
        elif not state.closed:
            yield from close(replicas, options)
            state = replace(state, closed=True)
        else:
            break
    # Merges are held, but for those of expired rows.
    if not state.mark.expiring:
        yield from require_shadow_rows(job.site.database, state.mark, sum(each.rows for each in state.staged))
    return (yield from at_swap(replicas, state.mark, seen)), state.written


def look(job: Job, replicas: Replicas, *, closed: bool = False) -> Routine[Source]:
    """The parts of the table here, after the mutations of now have ended on all hosts; behind the fence (``closed``)
    they are not waited for. Raises ApplyError where one changes the columns themselves: the copy was planned for
    others."""
    table, topology = replicas.source, replicas.reach.topology
    listed = yield from mutations(table.database, table.name, topology)
    require_rows_only(table.name, listed, job.known)
    if not closed and any(not each.done for each in listed):
        yield from until_settled(replicas, job.site.options)
        listed = yield from mutations(table.database, table.name, topology)
        require_rows_only(table.name, listed, job.known)
    present = yield from parts(table)
    patches = [part.name for part in present if part.patch]
    known = frozenset([*(each.id for each in listed), *patches])
    return Source(present, known, closed and any(not each.done for each in listed))


def close(replicas: Replicas, options: ApplyOptions) -> Routine[None]:
    """Refuse writers on all hosts; when this returns the host that copies has every row that was acknowledged anywhere.

    Raises ApplyError with the fence still up.
    """
    table = replicas.source
    name = qualified(table.database, table.name)
    # With what it already lacks it would fetch for long while writers wait.
    with_patience: dict[str, str | int] = {"receive_timeout": _SYNC_SECONDS}
    try:
        yield from send(Command(system("SYNC REPLICA", f"{name} LIGHTWEIGHT"), settings=with_patience))
    except StatementError as error:
        raise ApplyError(
            f"{table.name}: the host that copies does not come by what other hosts have written ({error.message}). The "
            "table is as it was: run again when its replication works"
        ) from error
    yield from refuse_everywhere(replicas, options.fence_seconds)
    yield from until_complete(replicas, table.name, options.fence_seconds)


def at_swap(replicas: Replicas, mark: ReplicatedMark, seen: Source) -> Routine[ReplicatedMark]:
    """The last look before the exchange; the mark, which says that it may happen from now on."""
    table, reach = replicas.source, replicas.reach
    yield from until_complete(replicas, mark.shadow_name)
    blocks = yield from highest_blocks(reach, table.database, table.name)
    high: dict[str, int] = {}
    for listed in blocks.values():
        for partition, block in listed.items():
            high[partition] = max(block, high.get(partition, -1))
    rows = sum(part.rows for part in seen.parts)
    mark = replace(mark, phase="swap", high=tuple(sorted(high.items())), rows=rows, known=tuple(sorted(seen.known)))
    return (yield from update_replicated_mark(table.database, mark))


def _require_calm(job: Job, state: Copied) -> None:
    """Raises ApplyError where rows are deleted or changed again and again."""
    table, options = job.work.table, job.site.options
    if state.spoilt > options.restarts and table not in options.wait_for_deletes:
        raise ApplyError(
            f"{table}: rows were deleted or changed while they were copied, {state.spoilt} times in a row. The table "
            "is as it was: stop deletes and updates while it is rebuilt, or run aaiclick migrate --allow "
            f"'wait-for-deletes {table}' (until a moment without them)"
        )


def _drop_stale(job: Job, replicas: Replicas, state: Copied, seen: Source) -> Routine[Copied]:
    """Leave out the chunks with rows that were deleted or changed since."""
    good, stale = divided(job, state.staged, seen.parts)
    if not stale:
        return state
    names = {filled.name for filled in stale}
    state = replace(state, staged=good, spoilt=state.spoilt + 1, passes=min(state.passes, _ROUNDS - 1))
    said = f"{job.work.table}: rows were deleted or changed while they were copied: they are copied again"
    yield Emit(Note(said, "warning"))
    if state.closed:
        yield from admit_everywhere(replicas.reach, replicas.source, job.site.options.fence_seconds)
        state = replace(state, closed=False)
    if names & set(state.attached):
        state = replace(state, mark=(yield from make_shadow_everywhere(replicas, state.mark)), attached=())
    for name in sorted(names):
        yield from drop_table(job.place, name)
    return state


def _pass(job: Job, state: Copied, there: Sequence[Part], missing: Sequence[Part]) -> Routine[Copied]:
    """Fill a staging table for each chunk of what is missing."""
    options = job.site.options
    rows, size = bounds([*there, *missing], options.chunk_rows, options.chunk_bytes)
    chunks = cut_chunks(missing, rows=rows, size=size, ordered=job.work.ordered, between=there)
    done, total, spoilt = rows_of(there), rows_of(there) + rows_of(missing), 0
    for chunk in chunks:
        job.tally.done, job.tally.total = done, total
        done += chunk.rows
        yield from require_guards(job, chunk)
        try:
            filled = yield from fill_chunk(job, chunk)
        except SourceChanged:
            spoilt = 1
            continue
        state = replace(state, staged=(*state.staged, filled), written=state.written + filled.rows)
        yield Emit(Progress(job.work.table, "copy", done, total, (yield from clock()) - job.started))
    job.tally.total = 0
    return replace(state, passes=state.passes + 1, spoilt=state.spoilt + spoilt)
