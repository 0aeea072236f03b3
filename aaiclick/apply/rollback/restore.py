"""Puts a kept table back in place of the one that replaced it, with the rows that came since.

A new table of the old form takes over the kept one's parts by hard link, then the rows above the block number of the
exchange are copied into it like those of any rebuild, and the two are exchanged. Where the way leads over several
versions, the rows that came while other tables were live that are kept as well come from these. So a crash at any point
is what a crash in a rebuild is, and the kept tables are only dropped when all is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.rebuild.catch_up import copy_parts, copy_until_complete
from aaiclick.apply.rebuild.exchange import exchange
from aaiclick.apply.rebuild.finish import finish
from aaiclick.apply.rebuild.preconditions import agreed_detached, require_unaltered
from aaiclick.apply.rebuild.rebuild import (
    late_filler,
    late_readers,
    make_job,
    preflight,
    prepare,
    require_readers,
    undo_quietly,
)
from aaiclick.apply.rebuild.resume import settings_before
from aaiclick.apply.rollback.chain import came_before, kept_parts
from aaiclick.apply.rollback.inspect import Restore
from aaiclick.apply.rollback.patches import with_updates
from aaiclick.apply.rollback.since_then import require_not_combined
from aaiclick.apply.rollback.used import drop_used
from aaiclick.apply.run import ApplyOptions, Done, Site
from aaiclick.clickhouse.features import FENCE
from aaiclick.clickhouse.inserts import flush_fronts
from aaiclick.clickhouse.merges import stop_merges
from aaiclick.clickhouse.parts import Part, names_of_detached, parts, unapplied
from aaiclick.clickhouse.statements import ddl, system_merges
from aaiclick.clickhouse.tables import Physical, require_table
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.errors import VerificationError
from aaiclick.printable import count_text, rows_text
from aaiclick.routine import Routine
from aaiclick.sql.clauses import attach_partition_from, drop_part, modify_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.kept_tables import KeptComment
from aaiclick.state.rebuild_mark import at_rest, new_mark, write_mark


def restore_table(found: Restore, site: Site, to: int) -> Routine[Done]:
    """Carry one table back to version ``to``. Before the exchange every error leaves all tables as they were.

    Raises ApplyError, VerificationError, StatementError.
    """
    database, options, work = site.database, site.options, found.work
    # By UUID: the counts that were agreed to are those of this storage and of no other.
    source = yield from require_table(database, work.table, found.live)
    fenced = yield from preflight(work, source, options)
    detached = yield from agreed_detached(source.name, names_of_detached(source), options)
    mark = new_mark(work, source, site.nonce, options.keep_old_seconds, detached)
    mark = yield from settings_before(database, mark)
    # ``back``: a killed rollback is undone before its exchange, never gone on with. Its parts came by hard links, so
    # there is no copy worth keeping.
    mark = yield from write_mark(database, replace(mark, back=True, back_to=to))
    try:
        mark, source = yield from at_rest(database, mark, source)
        # Before the work of the copy: what was altered by now would end it at the exchange.
        require_unaltered(mark, (yield from stop_merges(source)))
        if found.asks_if_combined:
            # Merges are stopped.
            require_not_combined(found.between[-1].kept if found.between else found.kept, (yield from parts(source)))
        # While writers are let in: what a Buffer table holds is converted with the rows that came since, and what waits
        # in files of a Distributed table could not be sent any more with a column that goes.
        yield from flush_fronts(source)
        mark, job, notes = yield from prepare(work, source, mark, site)
        # What is counted must not collapse before it was.
        yield from system_merges(database, mark.shadow_name, "STOP MERGES")
        rows = yield from _bring_back(found.name, found.kept, mark.shadow_name, site)
        between = yield from _between(found, mark.shadow_name, site)
        mark, since = yield from copy_until_complete(job, mark, fenced, already=rows + between)
        looked = yield from require_readers(work, source, options)
        yield from exchange(database, mark)
    except Exception as error:
        yield from undo_quietly(mark, source, error)
        raise
    end = yield from finish(database, mark, late_filler(job), options)
    # The oldest first: after a kill in between, the others are still found from the table that was replaced now.
    for name in found.used:
        notes += yield from drop_used(database, name, None, leave_detached=options.leave_detached)
    late = yield from late_readers(work, options, looked)
    return Done(rows + between + since + end.rows, end.kept, (*notes, *end.notes, *late))


def _bring_back(name: str, kept: KeptComment, target: str, site: Site) -> Routine[int]:
    """The parts of the kept table that the other one was made of, by hard links; the rows in them."""
    old = yield from require_table(site.database, name, kept.uuid)
    present = yield from _without_late(old, kept, site.options)
    # Hard links: the kept table still has all its parts if the rollback fails.
    for partition in sorted({part.partition for part in present}):
        attached = attach_partition_from(partition, qualified(site.database, name))
        yield from ddl(alter_table(qualified(site.database, target), attached))
    # Attached parts are as many as they were, since the merges of the new table are stopped.
    made = yield from parts((yield from require_table(site.database, target)))
    expected, found = (len(present), sum(part.rows for part in present)), (len(made), sum(part.rows for part in made))
    if expected != found:
        raise VerificationError(
            f"{kept.table}: to come back: {count_text(expected[0], 'part')} with {rows_text(expected[1])}; "
            f"{found[0]:,} with "
            f"{found[1]:,} did"
        )
    return (yield from kept_parts(site.database, name, present))


def _between(found: Restore, target: str, site: Site) -> Routine[int]:
    """Copy the rows that came while other tables that are kept were live; how many."""
    written = 0
    for each in found.between:
        source = yield from require_table(site.database, each.name, each.kept.uuid)
        job, _ = yield from make_job(replace(found.work, columns=each.columns, where=each.where), source, site)
        # What came later than its copy reached the next table as well, and is counted there. Patch parts are none of
        # them: what they change is read with the rows.
        present = came_before(each.kept, (yield from parts(source)))
        written += yield from copy_parts(job, present, target)
    return written


def _without_late(old: Physical, kept: KeptComment, options: ApplyOptions) -> Routine[tuple[Part, ...]]:
    """Drop parts that reached the old table during the exchange: the newer table has their rows, which came since. The
    parts that are left, with all updates of their rows written into them."""
    present = yield from parts(old)
    # A patch part may have a higher number than all rows that were copied, and none of its own.
    late = [part for part in present if part.first > kept.copied and not part.patch]
    if not late and not unapplied(present):
        return tuple(part for part in present if not part.patch)
    if not old.fenced:
        return (yield from _prepared(old, late, options))
    # A read-only table refuses DROP PART and mutations.
    yield from lift_fence(old)
    # Read-only again, also where that fails: until the exchange it is still a kept table.
    fence = ddl(alter_table(qualified(old.database, old.name), modify_setting(FENCE, 1)))
    try:
        present = yield from _prepared(old, late, options)
    except Exception:
        yield from fence
        raise
    yield from fence
    return present


def _prepared(old: Physical, late: Sequence[Part], options: ApplyOptions) -> Routine[tuple[Part, ...]]:
    for part in late:
        yield from ddl(alter_table(qualified(old.database, old.name), drop_part(part.name)))
    return (yield from with_updates(old, options))
