"""Puts a materialized view in place on all hosts of a cluster, between two INSERTs on any of them (``BackfillWork``),
and brings the rows that were there before into its target.

    note -> [settings that stop merges] -> constraint on all hosts of all shards, INSERTs that run on any of them
         -> note the last block of each partition in each shard -> the view, until every host shows it
         -> let writers in on all hosts -> [fill, shard by shard]

A host that does not show the view yet would take rows without it, so nobody is let in until all of them do. Blocks are
numbered in each partition of each shard by itself: what has a higher number than was noted came past the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.backfill.fill_on_replicas import fill_shards, require_unread
from aaiclick.apply.backfill.given_up import why_given_up
from aaiclick.apply.backfill.insert_once import require_reliable
from aaiclick.apply.everywhere import everywhere, shortly
from aaiclick.apply.replicated.clear import drop_staged
from aaiclick.apply.replicated.conditions import require_sources, until_settled
from aaiclick.apply.replicated.copying import close
from aaiclick.apply.replicated.hosts import reached_workers
from aaiclick.apply.replicated.rebuild import make_staging
from aaiclick.apply.replicated.shards import Replicas, at_host, has_several_shards, workers
from aaiclick.apply.replicated.stop_merges import set_everywhere, stop_merges_everywhere
from aaiclick.apply.replicated.writers import admit_everywhere, refuse_everywhere
from aaiclick.apply.run import ApplyOptions, Done, Site
from aaiclick.clickhouse.every_host import Reach, Shown, Subject
from aaiclick.clickhouse.merges import saved_settings
from aaiclick.clickhouse.parts import parts
from aaiclick.clickhouse.shared.away import away_on_hosts, moved_on_hosts
from aaiclick.clickhouse.shared.replicas import highest_blocks, tables_everywhere
from aaiclick.clickhouse.statements import CREATE, send
from aaiclick.clickhouse.tables import require_table
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import Note
from aaiclick.plan.operations import BackfillWork, Fill
from aaiclick.printable import rows_text
from aaiclick.routine import Command, Emit, Routine
from aaiclick.sql.ddl import drop, is_truncate
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.backfill_mark import (
    ReplicatedBackfillMark,
    backfill_mark_of,
    drop_replicated_backfill,
    update_replicated_backfill,
    write_replicated_backfill,
)


def backfill_on_replicas(work: BackfillWork, site: Site) -> Routine[Done]:
    """Carry it out. Until the view's statements every error leaves things as they were, on all hosts; from then on the
    next run brings it to its end. Raises ApplyError, StatementError."""
    database, options = site.database, site.options
    sources = yield from require_sources(work, database, options)
    reach = sources[0].reach
    if work.fill is not None and work.fill.target:
        yield from require_unread(database, work.fill.target, work.view, reach)
        # Once more: somebody may have changed it since the plan was made.
        yield from require_reliable(database, work.fill.target, work.view, reach)
    merging = next((saved_settings(each.source) for each in sources if _filled_from(work, each)), ())
    mark = backfill_mark_of(
        work,
        site.nonce,
        sources[0].labels,
        tuple(each.sources for each in sources),
        merging,
        reach.topology.cluster if has_several_shards(reach) else "",
    )
    # Before the note: what the hosts show now is what an error has to lead back to.
    before = yield from Subject(database, (work.view,)).look(reach.topology)
    # The note before the first constraint: from here on a kill is put right by any start, through whatever host it
    # comes.
    yield from write_replicated_backfill(database, mark)
    try:
        mark = yield from close_sources(mark, sources, database, options)
    # Writers may be refused by now. The note says so, and whoever comes next lets them in.
    except OutcomeUnknownError:
        raise
    except Exception as error:
        yield from _quietly(database, mark, sources, options, error)
        raise
    # No undoing behind this: some hosts may show the view, and rows go through it there.
    mark = yield from put_in_place(database, mark, sources, options, before)
    return Done((yield from fill_and_end(database, mark, reach, options)))


def _filled_from(work: BackfillWork, replicas: Replicas) -> bool:
    return work.fill is not None and replicas.source.name == work.fill.source


def close_sources(
    mark: ReplicatedBackfillMark, sources: Sequence[Replicas], database: str, options: ApplyOptions
) -> Routine[ReplicatedBackfillMark]:
    """Keep writers out on all hosts and note what is there; the mark then says 'opening'."""
    work = mark.work
    for each in sources:
        if _filled_from(work, each):
            for shard in each.shards:
                # Before anybody is kept out: where the user may not make it, nothing has happened yet.
                yield from at_host(make_staging(mark.staged_in), shard.peer)
            # Hosts have other parts until a mutation has ended on all of them, and are compared behind the constraint.
            yield from until_settled(each, options)
            yield from stop_merges_everywhere(each.source, each.reach)
    high, held = mark.high, mark.held
    for each in sources:
        if not _filled_from(work, each):
            yield from refuse_everywhere(each, options.fence_seconds)
            continue
        # When this returns no INSERT runs on any host, and each host has every row of its shard.
        yield from close(each, options)
        yield from _require_empty(work, each, database)
        blocks = yield from highest_blocks(each.reach, database, each.source.name)
        held = 0
        for shard in each.shards:
            held += sum(part.rows for part in (yield from at_host(parts(shard.source), shard.peer)) if not part.patch)
        high = tuple(
            (shard.number, partition, block)
            for shard in each.shards
            for partition, block in sorted(blocks[shard.worker].items())
        )
    return (yield from update_replicated_backfill(database, replace(mark, phase="opening", high=high, held=held)))


def _require_empty(work: BackfillWork, replicas: Replicas, database: str) -> Routine[None]:
    """Raise ApplyError where a target that has to be empty has rows in some shard."""
    fill = work.fill
    if fill is None or not fill.target or not fill.empty or any(is_truncate(sql) for sql in work.statements):
        return
    for shard in replicas.shards:
        target = yield from at_host(require_table(database, fill.target), shard.peer)
        if (yield from at_host(parts(target), shard.peer)):
            raise ApplyError(
                f"{fill.target} holds rows already, and nobody can tell which rows of {fill.source} are in them. "
                "Nothing was changed"
            )


def put_in_place(
    database: str,
    mark: ReplicatedBackfillMark,
    sources: Sequence[Replicas],
    options: ApplyOptions,
    before: Shown | None = None,
) -> Routine[ReplicatedBackfillMark]:
    """Send the statements that are left, each until every host shows it; then let writers in on all hosts.

    ``before``: what hosts showed of the view before the first statement; where the server refuses one, that is made
    again. None: a run that was killed has sent some, and an error leaves writers refused until the next run.
    """
    reach, first = sources[0].reach, mark.sent
    while mark.phase == "opening" and mark.sent < len(mark.work.statements):
        sql = mark.work.statements[mark.sent]
        try:
            yield from _send(database, sql, reach)
        except OutcomeUnknownError:
            raise
        except (StatementError, ApplyError) as error:
            # Of a dead run nobody knows whether its CREATE came through: it did, where every host shows the view.
            there = isinstance(error, StatementError) and error.code == TABLE_ALREADY_EXISTS
            if not (before is None and there and mark.sent == first and (yield from _is_there(database, mark, reach))):
                if before is not None:
                    yield from _put_back(database, mark, sources, options, before, error)
                raise
        # Counted behind the statement: after a kill in between it is sent again.
        mark = yield from update_replicated_backfill(database, replace(mark, sent=mark.sent + 1))
    if mark.phase == "opening":
        # Said before the constraint goes: a run that finds 'opening' without one would put it up again.
        mark = yield from update_replicated_backfill(database, replace(mark, phase="open"))
    # Only now: every host shows the view, so no row that comes in can pass it by. The fill needs no writer to wait.
    yield from admit(sources, options)
    return mark


def admit(sources: Sequence[Replicas], options: ApplyOptions) -> Routine[None]:
    """Let writers of all sources in on all hosts."""
    for each in sources:
        yield from admit_everywhere(each.reach, each.shards, options.fence_seconds)


def _send(database: str, sql: str, reach: Reach) -> Routine[None]:
    command = Command(sql, settings=CREATE, database=database)
    if not is_truncate(sql):
        yield from everywhere(send(command), reach)
        return
    # By the log of the table, once in each shard; a second time it finds nothing, because no writer is let in.
    peers = yield from reached_workers(reach)
    for place in workers(reach).values():
        yield from at_host(shortly(send(command)), None if place == reach.here else peers[place])


def _is_there(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[bool]:
    """Whether every host shows the view, and the same one."""
    shown = yield from Subject(database, (mark.work.view,)).look(reach.topology)
    found = {shown.of(place, (mark.work.view,)) for place in reach.places & shown.hosts.keys()}
    return reach.places <= shown.hosts.keys() and len(found) == 1 and found != {(None,)}


def _put_back(
    database: str,
    mark: ReplicatedBackfillMark,
    sources: Sequence[Replicas],
    options: ApplyOptions,
    before: Shown,
    error: Exception,
) -> Routine[None]:
    """Behind the constraint no row has come in while the view was another one: it is made as it was, and writers are
    let in. Where that does not work they stay refused, and the next run goes on."""
    reach, view = sources[0].reach, mark.work.view
    try:
        now = yield from Subject(database, (view,)).look(reach.topology)
        if any(now.of(place, (view,)) != before.of(place, (view,)) for place in reach.places):
            if not any(sql.startswith("CREATE") for sql in mark.work.statements):
                # Altered on some hosts at least: the next run alters the others, and nobody is let in until then.
                raise error
            yield from everywhere(
                send(Command(drop("VIEW", qualified(database, view), if_exists=True), settings=CREATE)), reach
            )
            if mark.work.undo:
                yield from everywhere(send(Command(mark.work.undo, settings=CREATE, database=database)), reach)
        yield from undo_on_replicas(database, mark, sources, options)
    except Exception as second:
        yield Emit(_failed(mark, error, second))


def _quietly(
    database: str,
    mark: ReplicatedBackfillMark,
    sources: Sequence[Replicas],
    options: ApplyOptions,
    error: Exception,
) -> Routine[None]:
    try:
        yield from undo_on_replicas(database, mark, sources, options)
    except Exception as second:
        yield Emit(_failed(mark, error, second))


def _failed(mark: ReplicatedBackfillMark, error: Exception, second: Exception) -> Note:
    said = f"{mark.work.view}: cleaning up after a failure ({error}) did not work: {second}. The next run does it"
    return Note(said, "warning")


def undo_on_replicas(
    database: str, mark: ReplicatedBackfillMark, sources: Sequence[Replicas], options: ApplyOptions
) -> Routine[None]:
    """Writers first, then merges, then the mark. Only while the view is as it was before."""
    # Where the line that said 'opening' got no answer it may be there.
    mark = yield from update_replicated_backfill(database, replace(mark, phase="closing"))
    yield from admit(sources, options)
    yield from _clear(database, mark, sources[0].reach)


def fill_and_end(database: str, mark: ReplicatedBackfillMark, reach: Reach, options: ApplyOptions) -> Routine[int]:
    """Fill what has to be filled, and take away what was made for it; the rows of the source that were read. Can be
    begun again after a crash at any point."""
    rows, fill = 0, mark.work.fill
    if fill is not None and mark.phase != "filled":
        # Asked first: what a killed run has begun may be days old.
        said = yield from why_given_up(database, mark, reach)
        if said and (yield from waits_for_sources(mark, reach)):
            # What is left to be filled is filled when it is there again: with its parts come the numbers of their
            # blocks.
            return rows
        if said:
            yield Emit(Note(said, "warning"))
        else:
            mark, rows = yield from fill_shards(database, mark, fill, reach, options)
            if mark.held is not None and mark.read < mark.held:
                yield Emit(Note(_fewer(mark, fill, mark.held), "warning"))
        # The mark says so before merges go on: they mix rows from before and after the last block.
        mark = yield from update_replicated_backfill(database, replace(mark, phase="filled"))
    yield from _clear(database, mark, reach)
    return rows


def waits_for_sources(mark: ReplicatedBackfillMark, reach: Reach) -> Routine[bool]:
    """Whether a source is away and may come back: it then has our constraint and our settings still, and the mark alone
    says so. It stays as it is, and each start under the lease goes on from it."""
    view = mark.work.view
    for name in mark.work.sources:
        if how := (yield from away_on_hosts(reach, mark.places(name), view)):
            said = f"{name} was {how} by somebody else while {view} was put in place. Once all hosts have it again"
            yield Emit(Note(f"{said}, the next start goes on from there, and gives it its settings back", "warning"))
            return True
    return False


def _fewer(mark: ReplicatedBackfillMark, fill: Fill, held: int) -> str:
    """Rows that were there when the view was put in place have not been read."""
    view, into = mark.work.view, fill.target or f"the table of {mark.work.view}"
    emptied = f", TRUNCATE TABLE {fill.target} on all hosts" if fill.target else ""
    return (
        f"{fill.source} held {rows_text(held)} when {view} was put in place, and {mark.read:,} of them were "
        "brought into "
        f"{into}. The others were deleted before they were read, or their parts were detached and attached again: as "
        f"new ones, which {view} has not seen, and of which nobody can tell any more. Where {into} lacks rows, make it "
        f"anew: DROP VIEW {view} on all hosts{emptied}, and run again"
    )


def _clear(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[None]:
    """Settings of the tables as they were, staging tables away, the mark last."""
    fill = mark.work.fill
    if fill is not None:
        wanted = [(fill.source, mark.saved)] + ([(mark.target, mark.window)] if mark.window else [])
        # Merges go on only where the note says that nothing has to be told apart by blocks any more ('closing' or
        # 'filled').
        for name, settings in wanted:
            there = yield from tables_everywhere(reach, database, (name,), name)
            if all(name in tables for tables in there.values()):
                yield from set_everywhere(database, name, settings, reach)
            elif (yield from waits_for_sources(mark, reach)):
                # It has our settings still, and the mark alone says what they were.
                return
            elif name == fill.source and (moved := (yield from moved_on_hosts(reach, mark.places(name), name))):
                yield from set_everywhere(*moved, settings, reach)
        # Settings first: staging tables do no harm, a table that merges nothing does.
        yield from drop_staged(mark.staged_in, reach)
    # Last: a kill before this clears once more what is there by then.
    yield from drop_replicated_backfill(database, mark)
