"""Copies until nothing is missing: rows that came meanwhile are copied too, and chunks whose rows were deleted or
changed are filled anew.

    look -> fill what is missing or stale -> look ... -> put the new table together -> [fence, look, fill, add]
         -> look -> exchange

The new table takes over the parts of the staging tables by hard links, which costs about a millisecond for each part
and can be done again: where a chunk turns out to be stale after that, the new table is made anew. So a delete costs the
chunks it touched, at any moment up to the exchange. Behind a fence nothing changes any more, so there the last pass is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.apply.rebuild.block_numbers import at_exchange
from aaiclick.apply.rebuild.chunks import Chunk, bounds, cut_chunks, highest
from aaiclick.apply.rebuild.concurrent_mutations import SourceState, close_source, look_at_source
from aaiclick.apply.rebuild.copy_chunk import Job, SourceChanged, fill_chunk
from aaiclick.apply.rebuild.second_look import look_at_all, look_at_newer
from aaiclick.apply.rebuild.shadow import make_shadow
from aaiclick.apply.rebuild.staging import attach_all
from aaiclick.clickhouse.parts import Part
from aaiclick.clickhouse.statements import READ, ask_permissively, drop_table
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.clock import clock
from aaiclick.errors import ApplyError, VerificationError
from aaiclick.events import Note, Progress
from aaiclick.printable import all_text, allow_flag, count_text, rows_that, verb_for
from aaiclick.routine import Emit, Query, Routine, number
from aaiclick.sql.quoting import qualified
from aaiclick.state.rebuild_mark import Mark, update_mark
from aaiclick.state.staged_chunks import StagedChunk, by_block, covered, divide, rows_in_parts

_ROUNDS = 4
"""Passes over what came meanwhile, before the exchange: each shorter than the one before."""
_OPEN = 2
"""Passes over what was changed meanwhile that are made before 'reapply-deletes' keeps writers out for the last one."""


@dataclass(frozen=True, slots=True)
class CopyState:
    """How far a copy has come."""

    mark: Mark
    """The mark of the rebuild, as it was written last."""
    staged: tuple[StagedChunk, ...]
    """Chunks that are filled, each in a staging table of its own."""
    attached: tuple[str, ...] = ()
    """Staging tables whose parts the new table has; empty: it has none."""
    written: int = 0
    """Rows that this run has copied."""
    passes: int = 0
    """Passes over missing parts that were made."""
    spoilt: int = 0
    """Looks that found rows deleted or changed since the look before."""
    dirty: bool = False
    """Rows were deleted or changed since the last look: the next one counts that."""
    reached: int = -1
    """Highest block number that a pass was made for; -1: there was none."""
    closed: bool = False
    """Writers are refused: the fence is up."""


def copy_until_complete(
    job: Job, mark: Mark, fenced: bool, already: int | None = None, staged: Sequence[StagedChunk] = ()
) -> Routine[tuple[Mark, int]]:
    """Fill the new table up to a block number and write that into the mark; the mark, and the rows written.

    ``staged``: chunks that are filled already. ``already``: in a rollback, the rows that the new table has from the
    kept one; a delete that comes now would have to reach these too, so it raises SourceChanged. Raises ApplyError
    where rows are changed again and again, VerificationError where rows are missing in the copy.
    """
    state, known = CopyState(mark, tuple(staged)), frozenset[str]()
    while True:
        seen = yield from look_at_source(job.source, job.known, job.site.options, closed=state.closed)
        if seen.pending and state.closed:
            # It came while the fence went up: no mutation is carried out behind a fence.
            yield from lift_fence(job.source)
            state = replace(state, closed=False)
            continue
        # Before anything is added: the new table may hold rows of a chunk that a delete has reached since.
        state = yield from _drop_stale(job, state, seen)
        if already is not None and (state.spoilt or seen.pending or not seen.known <= job.known):
            raise SourceChanged(
                f"{job.work.table}: rows were deleted or changed in the meantime. The table is as it was: run again"
            )
        there, missing = covered(state.staged, seen.parts)
        state = replace(state, reached=max(highest(there), state.reached))
        # Later blocks may be left to the exchange. A missing part with an earlier block was changed since.
        changed = any(part.first <= state.reached for part in missing)
        if missing and (state.closed or changed or state.passes < _ROUNDS):
            if (yield from _has_to_close(job, state)):
                known = yield from look_at_all(job.source, job.work.looks, job.work.seen)
                yield from close_source(job.source, job.site.options)
                state = replace(state, closed=True)
                continue
            state = yield from _pass(job, state, seen, there, missing)
        elif len(state.attached) < len(state.staged):
            # Put together while writers go on: they are refused only for what came after this.
            state = yield from _attach(job, state)
        elif (fenced and not state.closed) or (seen.pending and (yield from _has_to_close(job, state))):
            known = yield from look_at_all(job.source, job.work.looks, job.work.seen)
            yield from close_source(job.source, job.site.options)
            state = replace(state, closed=True)
        elif seen.pending:
            # The copy still has what it deletes or changes: the next look lets the mutation run.
            state = replace(state, dirty=True)
        else:
            break
    # Last of all: what is not among these rows meets the new keys as any row that is inserted later.
    yield from look_at_newer(job.source, job.work.looks, known, job.work.seen)
    # Any other engine may have brought rows of one key together since: its count says nothing.
    if job.work.form.engine == "MergeTree":
        yield from _require_rows(job, state.mark, (already or 0) + sum(filled.rows for filled in state.staged))
    # With 'swap' goes all that ``finish`` needs: whoever reads it cannot ask the run that copied any more.
    mark = replace(
        state.mark, phase="swap", high=highest(there), rows=rows_in_parts(there), known=tuple(sorted(seen.known))
    )
    mark = yield from at_exchange(job.site.database, mark)
    return (yield from update_mark(job.site.database, mark)), state.written


def copy_parts(job: Job, listed: Sequence[Part], target: str) -> Routine[int]:
    """Copy parts of a table that nobody changes into another one of ours; the rows. Raises SourceChanged where somebody
    did."""
    options, written = job.site.options, 0
    rows, size = bounds(listed, options.chunk_rows, options.chunk_bytes)
    for chunk in cut_chunks(listed, rows=rows, size=size, ordered=job.work.ordered):
        filled = yield from fill_chunk(job, chunk)
        yield from attach_all(job.site.database, [filled.name], target, dict(job.work.settings))
        # Hard links: the target keeps the data of these parts.
        yield from drop_table(job.site.database, filled.name)
        written += filled.rows
    return written


def _drop_stale(job: Job, state: CopyState, seen: SourceState) -> Routine[CopyState]:
    good, stale = divide(state.staged, seen.parts)
    if not stale:
        return replace(state, spoilt=state.spoilt + state.dirty, dirty=False)
    names = {filled.name for filled in stale}
    state = replace(state, staged=good, spoilt=state.spoilt + 1, dirty=False)
    # The new table has rows of a stale chunk. It is made anew; to attach the good chunks again costs only hard links.
    if names & set(state.attached):
        state = replace(state, mark=(yield from make_shadow(job.site.database, state.mark, job.work)), attached=())
    # Only when the new table is without their rows. Killed before that, the next run sees by their parts that they are
    # stale.
    for name in sorted(names):
        yield from drop_table(job.site.database, name)
    return state


def _has_to_close(job: Job, state: CopyState) -> Routine[bool]:
    """Whether writers are refused from now on, because deletes and updates keep coming and this was allowed by name.

    Raises ApplyError where they keep coming and nothing was allowed.
    """
    table, options = job.work.table, job.site.options
    if not state.spoilt or state.closed:
        return False
    reapplied = table in options.reapply_deletes and state.spoilt > _OPEN
    if table in options.keep_writers_out or reapplied:
        yield Emit(
            Note(
                f"{table}: rows are deleted or changed while it is copied: writers are refused until that is done",
                "warning",
            )
        )
        return True
    if state.spoilt > options.restarts and table not in options.wait_for_deletes:
        raise ApplyError(
            f"{table}: rows were deleted or changed while they were copied, {state.spoilt} times in a row. The table "
            "is as it was: stop deletes and updates while it is rebuilt, or run aaiclick migrate "
            f"{allow_flag(f'reapply-deletes {table}')} (what they changed is copied again, the last of it while"
            f" writers are refused), {allow_flag(f'wait-for-deletes {table}')} (until a moment without them) or "
            f"{allow_flag(f'keep-writers-out {table}')}"
        )
    return False


def _pass(
    job: Job, state: CopyState, seen: SourceState, there: Sequence[Part], missing: Sequence[Part]
) -> Routine[CopyState]:
    """Fill a staging table for each chunk of what is missing."""
    options = job.site.options
    rows, size = bounds([*there, *missing], options.chunk_rows, options.chunk_bytes)
    chunks = cut_chunks(missing, rows=rows, size=size, ordered=job.work.ordered, between=there)
    if state.spoilt:
        what = f"{len(chunks)} {'chunk is' if len(chunks) == 1 else 'chunks are'}"
        yield Emit(
            Note(
                f"{job.work.table}: rows were deleted or changed while they were copied: {what} copied again", "warning"
            )
        )
    elif state.staged and not state.passes:
        yield Emit(
            Note(
                f"{job.work.table}: {len(state.staged)} of "
                f"{count_text(len(state.staged) + len(chunks), 'chunk')} are there "
                "already: the copy goes on"
            )
        )
    done, total, spoilt = rows_in_parts(there), rows_in_parts(there) + rows_in_parts(missing), False
    # What is there already is no work of this pass: whoever tells the rate counts from here.
    yield Emit(Progress(job.work.table, "copy", done, total, (yield from clock()) - job.started))
    for place, chunk in enumerate(chunks):
        # Between two chunks deletes and updates that wait are let through. They may give parts of this one other names.
        present = (
            seen.parts
            if not place
            else (yield from look_at_source(job.source, job.known, options, closed=state.closed)).parts
        )
        current = _current(chunk, present)
        spoilt = spoilt or len(current.parts) < len(chunk.parts)
        job.tally.done, job.tally.total = done, total
        done += chunk.rows
        # All parts of the chunk are gone or changed. What is there instead is copied in the next pass.
        if not current.parts:
            continue
        try:
            filled = yield from fill_chunk(job, current)
        # A mutation renamed the parts while they were read: the next pass copies them under their new names.
        except SourceChanged:
            spoilt = True
            continue
        state = replace(state, staged=(*state.staged, filled), written=state.written + filled.rows)
        yield Emit(Progress(job.work.table, "copy", done, total, (yield from clock()) - job.started))
    job.tally.total = 0
    return replace(state, passes=state.passes + 1, dirty=spoilt, reached=max(state.reached, highest(missing)))


def _current(chunk: Chunk, present: Sequence[Part]) -> Chunk:
    """The parts of a chunk under the names that they have now."""
    wanted = {part.key for part in chunk.parts}
    place = {part.key: number for number, part in enumerate(chunk.parts)}
    return Chunk(tuple(sorted((part for part in present if part.key in wanted), key=lambda part: place[part.key])))


def _attach(job: Job, state: CopyState) -> Routine[CopyState]:
    """Attach the parts that the new table lacks, in the order of blocks: each one gets a higher block number."""
    waiting = by_block(filled for filled in state.staged if filled.name not in state.attached)
    names = [filled.name for filled in waiting]
    if not state.passes:
        yield Emit(
            Note(
                f"{job.work.table}: {all_text(len(names), 'chunk')} "
                f"{verb_for(len(names), 'are')} there already: the copy goes on"
            )
        )
    # A kill in here leaves a new table with some of the rows. Nobody goes on with it: the next run makes it anew, from
    # the same staging tables.
    yield from attach_all(job.site.database, names, state.mark.shadow_name, dict(job.work.settings))
    return replace(state, attached=(*state.attached, *names))


def _require_rows(job: Job, mark: Mark, rows: int) -> Routine[None]:
    answer = yield from ask_permissively(
        Query(f"SELECT count() FROM {qualified(job.site.database, mark.shadow_name)}", {}, READ)
    )
    if number(answer[0][0]) != rows:
        raise VerificationError(
            f"{job.work.table}: {rows_that(rows, 'were copied and compared')}, but the new table holds "
            f"{number(answer[0][0])}. Nothing was exchanged"
        )
