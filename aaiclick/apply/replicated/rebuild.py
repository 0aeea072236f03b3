"""RebuildWork on replicas: a new table on all hosts, filled on one of each shard, takes the name of the old one.

    note -> settings that stop merges, everywhere -> new table, everywhere -> chunks into staging tables of that host
         -> their parts into the new table (see ``copying``) -> fence, drain, the rest -> note: swap
         -> exchange host by host -> old table aside -> writers -> old kept or dropped -> note gone

Every step can be the last one of a killed run: see ``recovery``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from aaiclick.apply.rebuild.block_numbers import holds_numbers, set_by_us
from aaiclick.apply.rebuild.copy_chunk import Job
from aaiclick.apply.rebuild.preconditions import agreed_detached, require_as_planned
from aaiclick.apply.rebuild.rebuild import late_readers, make_job, require_readers
from aaiclick.apply.replicated.clear import undo_everywhere
from aaiclick.apply.replicated.conditions import (
    as_looked,
    definitions_of,
    require_unaltered_everywhere,
    settings_not_taken,
    until_settled,
)
from aaiclick.apply.replicated.copying import Require, copy_on_replicas
from aaiclick.apply.replicated.finish import finish_everywhere
from aaiclick.apply.replicated.hosts import (
    hosts_now,
    require_no_other_host,
    require_room_everywhere,
    until_joined,
)
from aaiclick.apply.replicated.resume import bytes_held, marks_to_resume, take_over_everywhere, worker_labels
from aaiclick.apply.replicated.shadow import make_shadow_everywhere
from aaiclick.apply.replicated.shards import Replicas, Shard, at_host, has_several_shards
from aaiclick.apply.replicated.stop_merges import stop_merges_everywhere
from aaiclick.apply.replicated.writers import failed_flushes
from aaiclick.apply.run import ApplyOptions, Done, Site
from aaiclick.catalog.forms import TableForm
from aaiclick.catalog.render import local_family
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import NUMBERS, knows_table_setting
from aaiclick.clickhouse.merges import saved_settings
from aaiclick.clickhouse.mutations import mutations
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.shared.host_answers import names_on_all
from aaiclick.clickhouse.tables import create_query
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import ApplyError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import AttachWork, RebuildWork
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.ddl import create
from aaiclick.sql.quoting import quote_name
from aaiclick.state.entries.step_entries import enter_exchange, enter_exchanged
from aaiclick.state.replicated.joined import copy_with_joined, joined_since
from aaiclick.state.replicated.mark import SHARDED_FORMAT, ReplicatedMark, mark_of, write_replicated_mark


def rebuild_on_replicas(work: RebuildWork, site: Site) -> Routine[Done]:
    """Carry out a ``RebuildWork`` on all hosts. Before the exchange every error leaves the table as it was on every
    host, without scratch objects; from then on the next run brings it to its end.

    Raises ApplyError, VerificationError, StatementError.
    """
    replicas = yield from as_looked(work, site.database, site.options)
    require_as_planned(replicas.source, site.options)
    return (yield from copied_into_place(work, [work] * len(replicas.shards), site, replicas))


def copied_into_place(
    work: RebuildWork,
    works: Sequence[RebuildWork],
    site: Site,
    replicas: Replicas,
    kept: Sequence[Shard] = (),
    back_to: int | None = None,
    require: Require | None = None,
) -> Routine[Done]:
    """Copy the rows of each shard, by its own one of ``works``, into a new table that takes the name of the old one.
    ``kept``: tables with whose parts it begins, one for each shard. ``back_to``: the version of a rollback.
    ``require``: as ``copy_on_replicas``."""
    sizes: dict[int, int] = {}
    # Each shard is copied by one host, and what counts are its own rows.
    for shard in replicas.shards:
        sizes[shard.number] = sum(part.bytes for part in (yield from at_host(parts(shard.source), shard.peer)))
    # Every replica fetches the whole copy of its shard: a disk that fills up would stop that host alone, in the middle.
    earlier = (yield from marks_to_resume(replicas, site.options)) if back_to is None else ()
    held = yield from bytes_held(replicas.shards, earlier)
    yield from require_room_everywhere(replicas.reach, replicas.source, sizes, site.options.disk_factor, held)
    told: list[str] = []

    def fill(mark: ReplicatedMark) -> Routine[tuple[ReplicatedMark, int]]:
        jobs: list[Job] = []
        for shard, own in zip(replicas.shards, works, strict=True):
            job, notes = yield from _job(own, shard, mark, site)
            jobs.append(job)
            told.extend(note for note in notes if note not in told)
        # These are renamed one by one. A kill in between leaves marks of both runs, which name all of them.
        staged = yield from take_over_everywhere(jobs, replicas, earlier)
        return (yield from copy_on_replicas(jobs, replicas, mark, kept, staged, require))

    done = yield from replace_on_replicas(work, site, replicas, fill, back_to)
    return replace(done, notes=(*told, *done.notes))


Fill = Callable[[ReplicatedMark], Routine[tuple[ReplicatedMark, int]]]
"""Fills the new table on all hosts and refuses writers; the mark, which says 'swap', and the rows."""


def replace_on_replicas(
    work: RebuildWork | AttachWork, site: Site, replicas: Replicas, fill: Fill, back_to: int | None = None
) -> Routine[Done]:
    """Make a new table, let it be filled, and put it in the place of the old one on all hosts. ``back_to``: the version
    of a rollback."""
    database, options, reach = site.database, site.options, replicas.reach
    yield from until_settled(replicas, options)
    if NUMBERS in dict(work.form.settings) and (yield from set_by_us(database, replicas.source.uuid)):
        # It was for the sake of the table that this one replaced, and is no wish of the user's.
        own = tuple(pair for pair in work.form.settings if pair[0] != NUMBERS)
        work = replace(work, form=replace(work.form, settings=own))
    mark = yield from _first_mark(work, site, replicas, back_to)
    # From here on a kill is put right by any start, through whatever host it comes (``settle_marks``).
    yield from write_replicated_mark(database, mark)
    # Before anybody is refused: what has failed until now is none of this copy's doing.
    before = yield from failed_flushes(reach)
    try:
        for shard in replicas.shards:
            # After the note, which names it: whatever a kill leaves, the next run knows where to look.
            yield from at_host(make_staging(mark.staged_in), shard.peer)
        # Before the first part is read: a merge would make one part of a copied and an uncopied one.
        yield from stop_merges_everywhere(replicas.source, reach)
        # Before the work of the copy: what was altered by now would end it at the exchange.
        yield from require_unaltered_everywhere(replicas, mark)
        mark = yield from make_shadow_everywhere(replicas, mark)
        mark, rows = yield from fill(mark)
        # Writers are refused on all hosts: what comes from here on is told of behind the exchange.
        looked = isinstance(work, RebuildWork) and (yield from require_readers(work, replicas.source, options))
        # One that joins behind this is brought to the same end by its log, and the next run looks at it with the rest.
        yield from require_no_other_host(reach)
        if options.entries is not None:
            yield from enter_exchange(options.entries, work.table, replicas.source.uuid, mark.shadow)
    except Exception as error:
        # As 'copy', whatever the note says by now: EXCHANGE is sent below, and by nobody before that.
        yield from undo_quietly(database, replace(mark, phase="copy"), reach, options, error)
        raise
    # No undoing any more: some hosts may have the new table. After an error the mark stays, and the next run goes on.
    end = yield from finish_everywhere(database, mark, reach, options, replicas.peers)
    if options.entries is not None:
        yield from enter_exchanged(options.entries, work.table, mark.shadow)
    after = yield from failed_flushes(reach)
    lost = sum(after.get(place, 0) - before.get(place, 0) for place in after)
    said = settings_not_taken(replicas, work.form)
    if lost > 0:
        failed = (
            f"{work.table}: {lost} asynchronous inserts have failed on its hosts while it was put in place. Rows "
            "that were sent with wait_for_async_insert = 0 were acknowledged before that, and have to be sent again"
        )
        said = (*said, failed)
    for note in said:
        yield Emit(Note(note, "warning"))
    if isinstance(work, RebuildWork):
        said = (*said, *(yield from late_readers(work, options, looked)))
    return Done(rows, end.kept, (*end.notes, *said))


def _first_mark(
    work: RebuildWork | AttachWork, site: Site, replicas: Replicas, back_to: int | None
) -> Routine[ReplicatedMark]:
    """What is noted before anything is done: the storages, the settings, and how the copy counts."""
    mark = mark_of(
        work,
        site.nonce,
        replicas.labels,
        replicas.sources,
        worker_labels(replicas.reach, [shard.worker for shard in replicas.shards]),
        saved_settings(replicas.source),
        site.options.keep_old_seconds,
    )
    looked = names_on_all(replicas.reach, site.database, work.table)
    detached = yield from agreed_detached(work.table, looked, site.options)
    mark = replace(mark, defined=definitions_of(replicas), detached=detached)
    if has_several_shards(replicas.reach):
        mark = replace(mark, format=SHARDED_FORMAT, cluster=replicas.reach.topology.cluster)
    if not replicas.source.engine.startswith("Replicated"):
        mark = replace(mark, apart=True)
    elif back_to is not None:
        mark = replace(mark, format=SHARDED_FORMAT, back_to=back_to)
    else:
        mark = yield from _counting_blocks(mark, replicas)
    # Rows that a TTL takes are missing without a fault: then nothing is told by counting.
    expiring = has_ttl(work.form) or " TTL " in (yield from create_query(site.database, work.table))
    return replace(mark, expiring=expiring)


def has_ttl(form: TableForm) -> bool:
    """Whether rows of a table go by themselves."""
    return bool(form.ttl) or any(column.ttl for column in form.columns)


def undo_quietly(
    database: str, mark: ReplicatedMark, reach: Reach, options: ApplyOptions, error: Exception
) -> Routine[None]:
    """Undo after a failure; where even that fails the first error is what counts, and the next run undoes. Raises
    ApplyError where a host has joined meanwhile: that is the reason then, and everything is undone there, too."""
    joined: tuple[str, ...] = ()
    try:
        now = yield from hosts_now(reach)
        joined = joined_since(mark.hosts, now.topology)
        mark = copy_with_joined(mark, now.topology) or mark
        if joined:
            yield from until_joined(now, database, mark.table)
        yield from undo_everywhere(database, mark, now, options.fence_seconds)
    except Exception as second:
        said = f"{mark.table}: cleaning up after a failure ({error}) did not work: {second}. The next run does it"
        yield Emit(Note(said, "warning"))
        return
    if joined:
        raise ApplyError(
            f"host {', '.join(joined)} joined while {mark.table} was copied: the copy was undone on all hosts. Run "
            "again: that begins with the hosts of now"
        ) from error


def _counting_blocks(mark: ReplicatedMark, replicas: Replicas) -> Routine[ReplicatedMark]:
    """The mark, which says whether the new table is to keep block numbers. Parts that are taken over as they are may
    hold numbers of another table: then nobody could tell what came since."""
    if not mark.keep_old_seconds:
        return mark
    if isinstance(mark.work, AttachWork):
        for shard in replicas.shards:
            if (yield from at_host(holds_numbers(shard.source), shard.peer)):
                return mark
    if dict(mark.work.form.settings).get(NUMBERS, "0") not in ("0", "false"):
        return replace(mark, counts=True)
    if not (yield from knows_table_setting(NUMBERS)):
        return mark
    return replace(mark, counts=True, numbered=True)


def _job(work: RebuildWork, shard: Shard, mark: ReplicatedMark, site: Site) -> Routine[tuple[Job, tuple[str, ...]]]:
    """The copy into tables of the local engine: only what is attached to the new table is replicated."""
    local = replace(work, form=local_family(work.form))
    job, notes = yield from at_host(make_job(local, shard.source, site), shard.peer)
    job = replace(job, staged_in=mark.staged_in, numbers=itertools.count())
    if has_several_shards(shard.reach):
        # Mutations of several shards have the same numbers.
        # What has ended by now is in the parts that are copied.
        listed = yield from mutations(site.database, work.table, shard.reach.topology)
        job = replace(job, known=frozenset(each.id for each in listed if each.done), shard=shard.number)
    return job, notes


def make_staging(name: str) -> Routine[None]:
    """Make the database of a host in which rows are copied, where it is not there. Raises ApplyError where the user may
    not."""
    sql = create("DATABASE", quote_name(name), "ENGINE = Atomic", if_not_exists=True)
    try:
        yield Command(sql)
    except StatementError as error:
        if error.code != ACCESS_DENIED:
            raise
        raise ApplyError(
            "the rows of a replicated table are copied by way of a database of one host, and this user may not "
            "create it. Nothing was changed; an administrator grants CREATE DATABASE and DROP DATABASE ON _aaiclick_*"
        ) from error
