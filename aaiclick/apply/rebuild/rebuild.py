"""A new table is filled chunk by chunk and takes the name of the old one (``RebuildWork``).

    mark -> stop merges -> guards -> shadow -> chunks into staging tables
         -> parts of those into the shadow (see ``catch_up``)
         -> exchange -> entry in the journal -> [drain, late parts] -> old kept or dropped

Without a fence the rows of inserts that run at the exchange land in the old storage and are brought across afterwards.
With one, nothing can run at the exchange. Every step can be the last one of a killed run: see ``recovery`` and
``resume``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from aaiclick.apply.guarded_alter import watch
from aaiclick.apply.rebuild.catch_up import copy_until_complete
from aaiclick.apply.rebuild.checksum import hashable
from aaiclick.apply.rebuild.chunks import Chunk
from aaiclick.apply.rebuild.columns import (
    Projected,
    column_types,
    projected,
    takes_columns_away,
    volatile_columns,
)
from aaiclick.apply.rebuild.concurrent_mutations import run_sent
from aaiclick.apply.rebuild.copy_chunk import Job, SourceChanged, changes, fill
from aaiclick.apply.rebuild.exchange import exchange, require_exchange, undo_rebuild
from aaiclick.apply.rebuild.finish import Filler, finish
from aaiclick.apply.rebuild.preconditions import (
    agreed_detached,
    require_as_planned,
    require_definition,
    require_rebuildable,
    require_resting_streams,
    require_unaltered,
)
from aaiclick.apply.rebuild.resume import earlier_marks, settings_before, take_over_chunks
from aaiclick.apply.rebuild.shadow import make_shadow
from aaiclick.apply.run import ApplyOptions, Done, Site, require_known_readers, told_of_readers
from aaiclick.clickhouse.disks import require_room
from aaiclick.clickhouse.merges import stop_merges
from aaiclick.clickhouse.mutations import mutations, require_settled
from aaiclick.clickhouse.parts import Part, names_of_detached, parts
from aaiclick.clickhouse.storages import require_in_place, storage
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clock import clock
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import RebuildWork
from aaiclick.routine import Emit, Routine
from aaiclick.sql.quoting import qualified
from aaiclick.state.entries.step_entries import enter_exchange, enter_exchanged
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark, at_rest, new_mark, write_mark
from aaiclick.state.staged_chunks import covered, work_digest

EXCHANGE = "EXCHANGE"


def apply_rebuild(work: RebuildWork, site: Site) -> Routine[Done]:
    """Carry out a ``RebuildWork``. Before the exchange every error leaves the live table as it was, without scratch
    objects.

    Raises VerificationError, ApplyError (also where no safe way is left without a window without writers),
    StatementError.
    """
    database, options = site.database, site.options
    source = yield from require_table(database, work.table)
    require_as_planned(source, options)
    earlier = yield from earlier_marks(source, options)
    # Whatever can refuse the copy is asked before there is a mark: until then nothing has to be undone.
    fenced = yield from preflight(work, source, options)
    yield from require_room(source, (yield from _bytes_to_copy(source, earlier)), options.disk_factor)
    detached = yield from agreed_detached(source.name, names_of_detached(source), options)
    # The mark is there before anything is made or changed: whatever a kill leaves, somebody finds a mark that names it.
    mark = new_mark(work, source, site.nonce, options.keep_old_seconds, detached)
    mark = yield from settings_before(database, mark)
    # The table still has the settings of the killed copy. What they were before is in its mark alone.
    mark = yield from write_mark(
        database, replace(mark, saved=earlier[0].saved, stopped=earlier[0].stopped) if earlier else mark
    )
    try:
        mark, source = yield from at_rest(database, mark, source)
        # A merge would make one part of a copied and an uncopied one, and nobody could tell their rows apart any more.
        # Before the work of the copy: what was altered by now would end it at the exchange.
        require_unaltered(mark, (yield from stop_merges(source)))
        # From here to the exchange no row can come in that the copy could not convert.
        yield from watch(source, work.guards, work.seen, options, partial(run_sent, source, options))
        mark, job, notes = yield from prepare(work, source, mark, site)
        # These are renamed one by one. A kill in between leaves marks of both runs, which name all of them.
        staged = yield from take_over_chunks(job, earlier)
        mark, rows = yield from copy_until_complete(job, mark, fenced, staged=staged)
        # Behind the fence, where there is one: what comes from here on is told of behind the exchange.
        looked = yield from require_readers(work, source, options)
        # The mark says 'swap' by now, then the journal gets both UUIDs, then they change places: after a kill anywhere
        # in between, the storage that has the name tells whether the exchange happened.
        if options.entries is not None:
            yield from enter_exchange(options.entries, work.table, mark.source, mark.shadow)
        yield from exchange(database, mark)
    except Exception as error:
        yield from undo_quietly(mark, source, error)
        raise
    if options.entries is not None:
        # Before late rows are moved: from now on it is known which storage holds the converted rows.
        yield from enter_exchanged(options.entries, work.table, mark.shadow)
    try:
        end = yield from finish(database, mark, late_filler(job), options)
    except SourceChanged as error:
        # The new table is live: there is nothing to begin again, the next run goes on from the mark.
        raise ApplyError(f"{error}, after the exchange. Run again: it goes on") from error
    return Done(rows + end.rows, end.kept, (*notes, *end.notes, *(yield from late_readers(work, options, looked))))


def require_readers(work: RebuildWork, source: Physical, options: ApplyOptions) -> Routine[bool]:
    """Whether it was looked for what reads or feeds the table: where the exchange takes columns away from it. Raises
    ApplyError where the plan does not know something of that."""
    looked = options.new_readers is not None and takes_columns_away(work, source)
    if looked:
        yield from require_known_readers(options, work.table, EXCHANGE)
    return looked


def late_readers(work: RebuildWork, options: ApplyOptions, looked: bool) -> Routine[tuple[str, ...]]:
    """A sentence for each that came between that look, where there was one, and the exchange."""
    return (yield from told_of_readers(options, work.table, EXCHANGE)) if looked else ()


def _bytes_to_copy(source: Physical, earlier: Sequence[Mark]) -> Routine[int]:
    """The bytes of the parts that no killed run has copied."""
    present = yield from parts(source)
    if earlier:
        nonces = {mark.nonce for mark in earlier}
        staged = (yield from read_owned(source.database)).staged(source.name, source.uuid, nonces)
        # These chunks are on the disk already.
        _, present = covered([filled for _, filled in staged if filled is not None], present)
    return sum(part.bytes for part in present)


def preflight(work: RebuildWork, source: Physical, options: ApplyOptions) -> Routine[bool]:
    """Refuse what cannot be done safely, before anything is touched; whether a fence is used."""
    yield from require_rebuildable(source, work.form)
    yield from require_resting_streams(source, options)
    yield from require_exchange(source.database)
    yield from require_settled(
        source.database, work.table, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds
    )
    return work.fenced


def prepare(work: RebuildWork, source: Physical, mark: Mark, site: Site) -> Routine[tuple[Mark, Job, tuple[str, ...]]]:
    """Make the shadow of a table whose merges are stopped; the mark with its UUID, the copy that is to be made, and
    notes on it."""
    mark = yield from make_shadow(site.database, mark, work)
    job, notes = yield from make_job(work, source, site)
    return mark, job, notes


def make_job(work: RebuildWork, source: Physical, site: Site) -> Routine[tuple[Job, tuple[str, ...]]]:
    """What the copy needs to know about a source whose merges are stopped; and notes on what the checksum does not
    cover."""
    types, declared = yield from column_types(source)
    columns, notes = projected(work, (yield from volatile_columns(source)), types)
    able = yield from hashable(qualified(site.database, source.name), columns, dict(work.settings))
    unable = [column.target for column in columns if column.checked and column.target not in able]
    if unable:
        notes = (
            *notes,
            f"{work.table}: not covered by the checksum: {', '.join(unable)} (this server cannot hash the type)",
        )
    checked = tuple(Projected(column.target, column.read, column.target in able) for column in columns)
    # A mutation that has not ended has not reached every part yet. When it has, it counts as new, and the chunks that
    # it changed are copied again.
    unfinished = {each.id for each in (yield from mutations(source.database, source.name)) if not each.done}
    known = (yield from changes(source)) - unfinished
    started = yield from clock()
    # What was compared differently, or read from other columns, is another copy.
    compared = ",".join(column.target for column in checked if column.checked and site.options.verify)
    return Job(
        site, work, source, checked, known, itertools.count(), started, work_digest(work, declared, compared)
    ), notes


def late_filler(job: Job) -> Filler:
    """Late parts go through the same copy and comparison as the others."""

    def filler(old: Physical, late: Sequence[Part]) -> Routine[tuple[str, int]]:
        settled = replace(job, source=old, known=(yield from changes(old)))
        return (yield from fill(settled, Chunk(tuple(late))))

    return filler


def undo_quietly(mark: Mark, source: Physical, error: Exception) -> Routine[None]:
    """Undo after a failure; where even that fails the first error is what counts, and the next run undoes. Raises
    ApplyError where somebody took the table away or altered it: that is what there is to tell then."""
    try:
        yield from undo_rebuild(source.database, mark)
    except Exception as second:
        yield Emit(
            Note(
                f"{mark.table}: cleaning up after a failure ({error}) did not work: {second}. The next run does it",
                "warning",
            )
        )
    yield from require_in_place(source, error)
    if isinstance(error, StatementError):
        # A column may have gone, or got another name, while rows were read; and the server takes parts over from a
        # table of the same structure only.
        require_definition(mark, (yield from storage(source.database, source.uuid)))
