"""RebuildWork: a new table, filled chunk by chunk, takes the name of the old one.

    mark -> hold merges -> shadow -> copy by part list -> [fence, drain] -> delta -> exchange -> [drain, late parts] -> old kept or dropped

Without a fence the rows of inserts that run at the exchange land in the old storage and are brought across afterwards. With one, nothing
can run at the exchange. Every step can be the last one of a killed run: see ``leftovers``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.chunks import Chunk, highest
from aaiclick.apply.copy import Job, SourceChanged, changes, copy_parts, fill, require_unchanged
from aaiclick.apply.disk import require_room
from aaiclick.apply.fence import fence_supported, lift_fence, raise_fence
from aaiclick.apply.finish import Filler, finish
from aaiclick.apply.hold import hold
from aaiclick.apply.identity import Part, Physical, need, parts
from aaiclick.apply.mark import Mark, new_mark, update_mark, write_mark
from aaiclick.apply.mutations import mutations, now, require_settled
from aaiclick.apply.options import ApplyOptions, Done, Site
from aaiclick.apply.projection import Projected, column_types, projected, volatile_columns
from aaiclick.apply.requirements import require_rebuildable
from aaiclick.apply.staging import create_from
from aaiclick.apply.statements import READ, system_merges
from aaiclick.apply.swap import exchange, require_exchange, undo
from aaiclick.apply.verify import hashable
from aaiclick.apply.way_back import at_exchange, remember_blocks
from aaiclick.errors import ApplyError, VerificationError
from aaiclick.events import Note
from aaiclick.plan.work import RebuildWork
from aaiclick.routine import Emit, Query, Routine, number
from aaiclick.specs.quoting import qualified

_ROUNDS = 4
"""Copies of what came meanwhile, before the exchange: each shorter than the one before."""
_CLOSINGS = 20


def apply_rebuild(work: RebuildWork, site: Site) -> Routine[Done]:
    """Carry out a ``RebuildWork``. Before the exchange every error leaves the live table as it was, without scratch objects.

    Raises VerificationError, ApplyError (also where no safe way is left without a window without writers), StatementError.
    """
    for attempt in itertools.count(1):
        try:
            return (yield from _rebuild(work, site, closed=attempt > 1 and work.table in site.options.closed))
        except SourceChanged as error:
            if attempt > site.options.restarts:
                raise ApplyError(
                    f"{error}, {attempt} times in a row. The table is as it was: stop deletes and updates while it is rebuilt,"
                    f" or have writers refused for as long: aaiclick migrate --allow 'keep-writers-out {work.table}'"
                ) from error
            yield Emit(Note(f"{error}: the copy begins again", "warning"))
    raise AssertionError


def _rebuild(work: RebuildWork, site: Site, *, closed: bool) -> Routine[Done]:
    database, options = site.database, site.options
    source = yield from need(database, work.table)
    fenced = yield from preflight(work, source, options)
    total = yield from parts(source)
    yield from require_room(source, sum(part.bytes for part in total), options.disk_factor)
    mark = yield from write_mark(database, new_mark(work, source, site))
    try:
        yield from hold(source)
        if closed and (yield from fence_supported()):
            yield from _close(source, options)
            fenced = False  # it is up already
        mark, job, notes = yield from prepare(work, source, mark, site)
        mark, rows = yield from copy_up(job, mark, fenced)
        yield from exchange(database, mark)
    except Exception as error:
        yield from undo_quietly(database, mark, error)
        raise
    try:
        end = yield from finish(database, mark, late_filler(job), options)
    except SourceChanged as error:
        # The new table is live: there is nothing to begin again, the next run goes on from the mark.
        raise ApplyError(f"{error}, after the exchange. Run again: it goes on") from error
    return Done(rows + end.rows, end.kept, (*notes, *end.notes))


def _close(source: Physical, options: ApplyOptions) -> Routine[None]:
    """Refuse writers, deletes and updates before the first row is copied. A table behind a fence carries out no mutation either, so those
    that were under way have to end first: settings hold merges meanwhile, mutations go on."""
    for _ in range(_CLOSINGS):
        yield from system_merges(source.database, source.name, "START MERGES")
        yield from require_settled(source.database, source.name, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds)
        yield from raise_fence(source, options.fence_seconds)
        if all(each.done for each in (yield from mutations(source.database, source.name))):
            yield from system_merges(source.database, source.name, "STOP MERGES")
            return
        yield from lift_fence(source)
    raise ApplyError(f"{source.name}: deletes or updates came in {_CLOSINGS} times while writers were being locked out. Run again")


def preflight(work: RebuildWork, source: Physical, options: ApplyOptions) -> Routine[bool]:
    """Refuse what cannot be done safely, before anything is touched; whether a fence is used."""
    yield from require_rebuildable(source, work.form)
    yield from require_exchange(source.database)
    yield from require_settled(source.database, work.table, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds)
    if not (work.fenced or work.ordered):
        return False
    if (yield from fence_supported()):
        return True
    if work.table in options.writers_stopped:
        return False
    why = "the order of its rows decides which survive" if work.ordered else "a materialized view reads it"
    raise ApplyError(
        f"{work.table} has to be rebuilt while nobody writes ({why}), and this server cannot keep writers out (it has no table_readonly)."
        f" Stop the writers and run: aaiclick migrate --allow 'writers-stopped {work.table}'"
    )


def prepare(work: RebuildWork, source: Physical, mark: Mark, site: Site) -> Routine[tuple[Mark, Job, tuple[str, ...]]]:
    """Make the shadow of a held table; the mark with its UUID, the copy that is to be made, and notes on it."""
    database = site.database
    yield from create_from(work.form, database, mark.shadow_name, work.settings)
    shadow = yield from need(database, mark.shadow_name)
    mark = yield from remember_blocks(database, replace(mark, shadow=shadow.uuid), work.form.settings)
    mark = yield from update_mark(database, mark)
    # Rows that the new TTL lets expire are its business once it is live; until then what was counted has to stay.
    yield from system_merges(database, mark.shadow_name, "STOP TTL MERGES")
    if work.ordered:
        yield from system_merges(database, mark.shadow_name, "STOP MERGES")
    job, notes = yield from make_job(work, source, site)
    return mark, job, notes


def make_job(work: RebuildWork, source: Physical, site: Site) -> Routine[tuple[Job, tuple[str, ...]]]:
    """What the copy needs to know about a source whose merges are held; and notes on what the checksum leaves out."""
    columns, notes = projected(work, (yield from volatile_columns(source)), (yield from column_types(source)))
    able = yield from hashable(qualified(site.database, source.name), columns)
    unable = [column.target for column in columns if column.checked and column.target not in able]
    if unable:
        notes = (*notes, f"{work.table}: not covered by the checksum: {', '.join(unable)} (this server cannot hash the type)")
    checked = tuple(Projected(column.target, column.read, column.target in able) for column in columns)
    known = yield from changes(source)
    started = yield from now()
    return Job(site, work, source, checked, known, itertools.count(), started), notes


def copy_up(job: Job, mark: Mark, fenced: bool, already: int = 0) -> Routine[tuple[Mark, int]]:
    """Fill the shadow, which holds ``already`` rows, up to a block number and say so in the mark; the rows written."""
    written = 0
    copied: list[Part] = []
    for _ in range(_ROUNDS):
        new = yield from _newer(job, copied)
        if not new:
            break
        written += yield from copy_parts(job, new, mark.shadow_name, copied)
        copied += new
    if fenced:
        yield from raise_fence(job.source, job.site.options.fence_seconds)
        new = yield from _newer(job, copied)
        written += yield from copy_parts(job, new, mark.shadow_name, copied)
        copied += new
    yield from require_unchanged(job, copied)
    if job.work.form.engine == "MergeTree":
        yield from _require_rows(job, mark, already + written)
    covered = sum(part.rows for part in copied)
    mark = replace(mark, phase="swap", high=highest(copied), rows=covered, known=tuple(sorted(job.known)))
    mark = yield from at_exchange(job.site.database, mark)
    return (yield from update_mark(job.site.database, mark)), written


def _newer(job: Job, copied: Sequence[Part]) -> Routine[tuple[Part, ...]]:
    present = yield from require_unchanged(job, copied)
    return tuple(part for part in present if part.first > highest(copied) and not part.patch)


def _require_rows(job: Job, mark: Mark, rows: int) -> Routine[None]:
    answer = yield Query(f"SELECT count() FROM {qualified(job.site.database, mark.shadow_name)}", {}, READ)
    if number(answer[0][0]) != rows:
        raise VerificationError(f"{job.work.table}: {rows} rows were copied and compared, but the new table holds {number(answer[0][0])}. Nothing was swapped")


def late_filler(job: Job) -> Filler:
    """Late parts go through the same copy and comparison as the others."""

    def filler(old: Physical, late: Sequence[Part]) -> Routine[tuple[str, int]]:
        settled = replace(job, source=old, known=(yield from changes(old)))
        return (yield from fill(settled, Chunk(tuple(late))))

    return filler


def undo_quietly(database: str, mark: Mark, error: Exception) -> Routine[None]:
    """Undo after a failure; where even that fails the first error is what counts, and the next run undoes."""
    try:
        yield from undo(database, mark)
    except Exception as second:
        yield Emit(Note(f"{mark.table}: cleaning up after a failure ({error}) did not work: {second}. The next run does it", "warning"))
