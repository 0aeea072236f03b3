"""A new table takes over the parts of the old one by hard links (``AttachWork``).

ATTACH PARTITION FROM is not idempotent, and parts with an unfinished mutation would be attached without it. So it only
ever fills a table that nobody else writes into: the shadow behind a fence, or a staging table for parts that came late.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aaiclick.apply.alter import Altered, apply_alters
from aaiclick.apply.guarded_alter import count_newer
from aaiclick.apply.rebuild.block_numbers import at_exchange, remember_blocks
from aaiclick.apply.rebuild.chunks import highest
from aaiclick.apply.rebuild.concurrent_mutations import close_source, look_at_source
from aaiclick.apply.rebuild.exchange import exchange, require_exchange
from aaiclick.apply.rebuild.finish import Filler, finish
from aaiclick.apply.rebuild.preconditions import (
    agreed_detached,
    require_altered_by_us,
    require_as_planned,
    require_rebuildable,
    require_resting_streams,
    require_unaltered,
)
from aaiclick.apply.rebuild.rebuild import late_filler, make_job, undo_quietly
from aaiclick.apply.rebuild.resume import settings_before
from aaiclick.apply.rebuild.second_look import look_at_all, look_at_newer
from aaiclick.apply.rebuild.staging import create_from, staging_form
from aaiclick.apply.run import Done, Site
from aaiclick.clickhouse.merges import stop_merges
from aaiclick.clickhouse.mutations import mutations, require_settled
from aaiclick.clickhouse.names import staging_table
from aaiclick.clickhouse.parts import Part, names_of_detached, parts
from aaiclick.clickhouse.statements import ddl, drop_table, system_merges
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError, VerificationError
from aaiclick.events import Note
from aaiclick.plan.operations import AttachWork, CopyColumn, RebuildWork
from aaiclick.printable import count_text, rows_text
from aaiclick.routine import Emit, Routine
from aaiclick.sql.clauses import attach_partition_from
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified, quote_name
from aaiclick.state.entries.step_entries import enter_exchange
from aaiclick.state.rebuild_mark import Mark, at_rest, new_mark, update_mark, write_mark


def apply_attach(work: AttachWork, site: Site) -> Routine[Done]:
    """Carry out an ``AttachWork``. Before the exchange every error leaves the table as its ``alters`` made it, without
    scratch objects."""
    database, options = site.database, site.options
    source = yield from require_table(database, work.table)
    require_as_planned(source, options)
    # Before the ALTERs: what the exchange would fail on is found while nothing has been changed.
    yield from require_rebuildable(source, work.form)
    yield from require_resting_streams(source, options)
    yield from require_exchange(database)
    looked = names_of_detached(source)
    detached = yield from agreed_detached(work.table, looked, options, at_once=bool(work.alters))
    if work.alters:
        # Of the columns as they are until then.
        yield from look_at_all(source, work.looks, work.seen)
    # What ALTER can do comes first, while no scratch table is there: a refusal leaves nothing to be undone.
    yield from apply_alters(Altered(database, work.table, work.settings, options, work.seen), work.alters)
    yield from require_settled(
        database, work.table, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds
    )
    # Read again: its definition is the one that the ALTERs have left.
    before, source = source, (yield from require_table(database, work.table, source.uuid))
    require_altered_by_us(before, source, work)
    mark = new_mark(work, source, site.nonce, options.keep_old_seconds, detached)
    mark = yield from settings_before(database, mark)
    mark = yield from write_mark(database, mark)
    try:
        mark, source = yield from at_rest(database, mark, source)
        # Before the work of the copy: what was altered by now would end it at the exchange.
        require_unaltered(mark, (yield from stop_merges(source)))
        mark, rows = yield from _filled(work, source, mark, site)
        mark = yield from at_exchange(database, replace(mark, phase="swap"))
        mark = yield from update_mark(database, mark)
        if options.entries is not None:
            yield from enter_exchange(options.entries, work.table, mark.source, mark.shadow)
        # After the mark says 'swap': whether it happened is then told by the storages under the two names.
        yield from exchange(database, mark)
    except Exception as error:
        yield from undo_quietly(mark, source, error)
        raise
    end = yield from finish(database, mark, attach_filler(work, site), options)
    return Done(rows + end.rows, end.kept, end.notes)


def _filled(work: AttachWork, source: Physical, mark: Mark, site: Site) -> Routine[tuple[Mark, int]]:
    """Make the new table and attach all parts, at a moment without an unfinished delete or update; the mark, and the
    rows. From then on nobody writes. Raises ApplyError where there is no such moment."""
    database, options = site.database, site.options
    known = frozenset(each.id for each in (yield from mutations(database, work.table)))
    mark = yield from _make_shadow(work, source, mark, site)
    looks = () if work.alters else work.looks
    for _ in range(options.restarts + 1):
        looked = yield from look_at_all(source, looks, work.seen)
        # What was sent since ``require_settled`` runs while writers are let in. Behind the fence it never would.
        yield from close_source(source, options)
        # Behind the fence: no row that meets a guard can come in after this count.
        yield from count_newer(source, work.guards, work.seen)
        yield from look_at_newer(source, looks, looked, work.seen)
        before = yield from look_at_source(source, known, options, closed=True)
        if not before.pending:
            rows = yield from _attach(work, source, before.parts, mark.shadow_name)
            after = yield from look_at_source(source, known, options, closed=True)
            if after == before:
                # What changed rows until now is in the attached parts. What comes later is not, and ``finish`` finds it
                # by this list.
                return replace(mark, high=highest(after.parts), rows=rows, known=tuple(sorted(after.known))), rows
            # ATTACH cannot be taken back: the next time needs an empty table.
            mark = yield from _make_shadow(work, source, mark, site)
        # A constraint does not keep deletes and updates out, and stopped merges keep them from running. Writers need
        # not wait for their end.
        yield from lift_fence(source)
    raise ApplyError(
        f"{work.table}: deletes or updates came again and again while writers were being locked out. The table is as "
        "it was: stop them for a moment, and run again"
    )


def _make_shadow(work: AttachWork, source: Physical, mark: Mark, site: Site) -> Routine[Mark]:
    """The new table, empty, instead of one that is there; the mark with its UUID."""
    # Made before the mark has its UUID: a kill in between leaves a table that is found by its name, in phase 'copy'.
    yield from create_from(work.form, site.database, mark.shadow_name, work.settings)
    shadow = yield from require_table(site.database, mark.shadow_name)
    mark = yield from remember_blocks(site.database, replace(mark, shadow=shadow.uuid), work.form.settings, source)
    mark = yield from update_mark(site.database, mark)
    # Parts and rows are counted after the attach: a merge in between would change their number.
    yield from system_merges(site.database, mark.shadow_name, "STOP MERGES")
    return mark


def attach_filler(work: AttachWork, site: Site) -> Filler:
    """How late parts get into a staging table: by hard links where all parts are late, as after an exchange that came
    first. Single late parts, and parts that the server refuses to attach, are copied."""
    numbers = itertools.count(1)

    def filler(old: Physical, late: Sequence[Part]) -> Routine[tuple[str, int]]:
        present = yield from parts(old)
        # ATTACH takes whole partitions: with copied parts among them their rows would be there twice.
        if tuple(late) == present:
            staging = staging_table(site.nonce, next(numbers), work.table)
            try:
                yield from create_from(staging_form(work.form, old.uuid), site.database, staging, work.settings)
                return staging, (yield from _attach(work, old, present, staging))
            # The server may still be attaching: a copy beside it could bring the rows in twice.
            except OutcomeUnknownError:
                raise
            except StatementError as error:
                yield Emit(Note(f"{work.table}: {error}; the rows are copied instead", "warning"))
                # Partitions that were attached before the refusal go with it: the copy begins with nothing.
                yield from drop_table(site.database, staging)
        return (yield from _copied(work, site, old, late, numbers))

    return filler


def _copied(
    work: AttachWork, site: Site, old: Physical, late: Sequence[Part], numbers: Iterator[int]
) -> Routine[tuple[str, int]]:
    columns = tuple(CopyColumn(column.name, quote_name(column.name)) for column in work.form.columns if column.stored)
    job, _ = yield from make_job(RebuildWork(work.table, work.form, columns, settings=work.settings), old, site)
    return (yield from late_filler(replace(job, numbers=numbers))(old, late))


def _attach(work: AttachWork, source: Physical, present: Sequence[Part], target: str) -> Routine[int]:
    """Attach every partition to an empty table that is ours, and compare; the rows."""
    if any(part.patch for part in present):
        raise ApplyError(
            f"{work.table} has updates that are not yet merged (patch parts), which cannot be attached: OPTIMIZE "
            "TABLE ... FINAL first"
        )
    for partition in sorted({part.partition for part in present}):
        yield from _attach_one(work, source, partition, target)
    made = yield from parts((yield from require_table(source.database, target)))
    expected = (len(present), sum(part.rows for part in present))
    found = (len(made), sum(part.rows for part in made))
    if expected != found:
        raise VerificationError(
            f"{work.table}: to be attached: {count_text(expected[0], 'part')} with {rows_text(expected[1])}, "
            "the new table has "
            f"{found[0]} with {found[1]}"
        )
    return found[1]


def _attach_one(work: AttachWork, source: Physical, partition: str, target: str) -> Routine[None]:
    """ATTACH PARTITION ALL is not known to older servers."""
    attached = attach_partition_from(partition, qualified(source.database, source.name))
    yield from ddl(alter_table(qualified(source.database, target), attached), dict(work.settings))
