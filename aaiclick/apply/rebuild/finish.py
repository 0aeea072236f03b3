"""After the exchange: moves late rows across, then keeps or drops the old table.

Until that is done the rows of inserts that ran during the exchange are in the old storage *only*. The mark says up to
which block number the new table has everything, so any run can go on from here, and the old storage is never dropped
before its parts were looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from aaiclick.apply.rebuild.chunks import highest
from aaiclick.apply.rebuild.preconditions import altered_behind, detached_behind
from aaiclick.apply.rebuild.safe_drop import BelatedError, is_taken, rename_old_away
from aaiclick.apply.rebuild.staging import move_into
from aaiclick.apply.rebuild.views import open_shadow
from aaiclick.apply.run import ApplyOptions
from aaiclick.clickhouse.inserts import drain_all
from aaiclick.clickhouse.merges import release_copies, restart_merges, start_merges_of
from aaiclick.clickhouse.mutations import mutations, require_settled
from aaiclick.clickhouse.parts import Part, names_of_detached, parts
from aaiclick.clickhouse.refreshable_views import start_refreshes
from aaiclick.clickhouse.statements import drop_table, system_merges
from aaiclick.clickhouse.storages import away, storage
from aaiclick.clickhouse.tables import Physical, physicals
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.kept_tables import KEPT_PREFIX, keep
from aaiclick.state.owned import staging_tables
from aaiclick.state.rebuild_mark import Mark, drop_mark, update_mark

_NEW_GONE = "its new table was dropped by somebody else, and rows that came late are in the old one alone"


class Filler(Protocol):
    """How late parts get into a staging table of the new form: by a copy, or by hard links."""

    def __call__(self, old: Physical, late: Sequence[Part], /) -> Routine[tuple[str, int]]:
        """Fill and compare a new staging table; its name and rows."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """``rows`` came across late; ``kept`` is the name of the old table where it stays; ``notes`` for the operator."""

    rows: int
    kept: str
    notes: tuple[str, ...]


def finish(database: str, mark: Mark, fill: Filler, options: ApplyOptions) -> Routine[Finished]:
    """Bring an exchanged rebuild to its end. Can be begun again after a crash at any point."""
    # Writers first: they need not wait for rows that come across late.
    if not (yield from open_shadow(database, mark, options.fence_seconds)):
        # With its mark gone nobody would lift its fence.
        yield from require_no_return(database, mark)
    old = yield from _old_storage(database, mark)
    if old is None:
        # Dropped by the run that made the mark: it drops only what it has looked through.
        yield from start_merges_of(database, mark.table, mark.shadow)
        yield from release_copies(database, mark.since, mark.saved)
        yield from _end(database, mark)
        return Finished(0, "", ())
    rows, reason = 0, ""
    if not old.name.startswith(KEPT_PREFIX):
        # INSERTs that resolved their table before the exchange write into the old storage until they end. Only then are
        # its parts all that will ever be there.
        yield from drain_all(
            replace(old, name=mark.table),
            options.drain_seconds,
            "The new table is in place; their rows are brought across by the next run",
        )
        reason, present = yield from _changed(mark, old, options)
        reason = reason or altered_behind(mark, old)
        rows, mark, mixed = yield from _move_late_rows(database, mark, old, fill, present)
        reason = mixed or reason
        # Behind the parts: rows that were detached before they were moved are in none of them. What is dropped at once
        # is looked at under its last name.
        if mark.keep_old_seconds or reason:
            reason = (yield from detached_behind(names_of_detached(old), mark.detached)) or reason
    notes = yield from _noted(mark, reason)
    yield from start_merges_of(database, mark.table, mark.shadow)
    kept = ""
    if mark.keep_old_seconds or reason or old.name.startswith(KEPT_PREFIX):
        # It is renamed, so no rows can get lost: its parts are looked at again before it is dropped.
        kept = yield from keep(mark, old, reason)
    else:
        # A flush that nobody could wait for may have come in since, and a run that was paused may have taken the table
        # away while its parts were looked at: the last look is under a name that nobody else knows. The only copy of
        # rows is never dropped.
        old = yield from rename_old_away(database, mark, old)
        more, mark, mixed = yield from _move_late_rows(database, mark, old, fill)
        rows += more
        # What was sent before the exchange may have come to the table behind the look at it.
        detached = yield from detached_behind(names_of_detached(old), mark.detached)
        if reason := detached or mixed or altered_behind(mark, old):
            kept = yield from keep(mark, old, reason)
            notes = yield from _noted(mark, reason)
        else:
            yield from drop_table(database, old.name)
    yield from release_copies(database, mark.since, mark.saved)
    yield from _end(database, mark)
    return Finished(rows, kept, notes)


def _noted(mark: Mark, reason: str) -> Routine[tuple[str, ...]]:
    notes = (f"{mark.table}: {reason}. The old table is kept until somebody has looked at it",) if reason else ()
    for note in notes:
        yield Emit(Note(note, "warning"))
    return notes


def _move_late_rows(
    database: str, mark: Mark, old: Physical, fill: Filler, looked: Sequence[Part] = ()
) -> Routine[tuple[int, Mark, str]]:
    """Move what came after ``mark.high`` into the new table, whatever it is called now; rows, the mark, and why not
    everything could be moved. ``looked``: the parts of the old one, where they were just looked at."""
    rows = 0
    while True:
        if mark.filled:
            # Compared before the mark said so. What is not in it any more was moved: never filled again.
            named = yield from physicals(database, (mark.filled, mark.table))
            if mark.filled in named:
                new = named.get(mark.table)
                if new is None or new.uuid != mark.shadow:
                    # Somebody has renamed the new table, or put another one under its name: the rows follow the
                    # storage.
                    new = yield from storage(database, mark.shadow)
                if new is None:
                    yield from require_no_return(database, mark)
                    return rows, mark, _NEW_GONE
                # MOVE PARTITION takes the rows out of the staging table: sent again after a kill, it moves what is
                # left.
                yield from move_into(database, mark.filled, new)
                yield from drop_table(database, mark.filled)
            mark = yield from update_mark(
                database,
                replace(
                    mark,
                    high=mark.filled_high,
                    rows=mark.rows + mark.filled_rows,
                    filled="",
                    filled_high=-1,
                    filled_rows=0,
                ),
            )
        present, looked = looked or (yield from parts(old)), ()
        late = [part for part in present if part.last > mark.high and not part.patch]
        if not late:
            return rows, mark, ""
        mixed = [part.name for part in late if part.first <= mark.high]
        if mixed:
            return (
                rows,
                mark,
                (
                    f"parts {', '.join(mixed[:3])} of the old table mix rows that were copied with rows that were "
                    "not, and cannot be told apart"
                ),
            )
        staging, count = yield from fill(old, late)
        # Before they are moved: from here on this staging table is moved, and these parts are never read again.
        mark = yield from update_mark(
            database,
            replace(mark, filled=staging, filled_high=highest(late), filled_rows=sum(part.rows for part in late)),
        )
        rows += count


def require_no_return(database: str, mark: Mark) -> Routine[None]:
    """Raise ApplyError where the new table is not there, but may come back: the mark stays, and once it is there again
    any start lets its writers in and brings across what came late. Until then nothing is done to the old one."""
    if how := (yield from away(database, mark.shadow)):
        raise ApplyError(
            f"{mark.table} was {how} by somebody else when its new table had just been put in place. Once it is there "
            "again, the next start brings it to its end"
        )


def _changed(mark: Mark, old: Physical, options: ApplyOptions) -> Routine[tuple[str, Sequence[Part]]]:
    """A delete or update that met the old table in the moment of the exchange is missing in the new one: what to say
    about it; and the parts of the old table.

    It is let through to the old rows first, so that late rows come across as it left them.
    """
    listed = yield from mutations(old.database, old.name)
    if any(not mutation.done for mutation in listed):
        # Mutations only: the table's settings still stop merges. Before the ALTER, which may have to wait for them.
        yield from system_merges(old.database, old.name, "START MERGES")
        if old.fenced:
            # Nobody knows this table any more, and behind a fence no mutation is carried out.
            yield from lift_fence(old)
        yield from require_settled(
            old.database, old.name, stuck_seconds=options.stuck_seconds, limit=options.mutation_seconds
        )
    present = yield from parts(old)
    what = ""
    if sent := next((each.command for each in listed if each.id not in mark.known), ""):
        what = (
            f"rows of the old table were changed in the moment of the exchange ({sent}), which the new table does not "
            "show"
        )
    elif sum(part.rows for part in present if part.last <= mark.high and not part.patch) != mark.rows:
        what = "parts of the old table were dropped in the moment of the exchange, which the new table still shows"
    elif any(part.patch and part.name not in mark.known for part in present):
        what = "rows of the old table were updated in the moment of the exchange, which the new table does not show"
    return what, present


def _old_storage(database: str, mark: Mark) -> Routine[Physical | None]:
    """The old storage under the name it has now: that of the new table, or the name under which it is kept.

    Where somebody else has renamed it, it belongs to them: only its settings are put back.
    """
    old = yield from storage(database, mark.source)
    if old is None or old.name == mark.shadow_name or old.name.startswith(KEPT_PREFIX):
        return old
    if is_taken(old, database):
        raise BelatedError(mark.table)
    yield from restart_merges(database, mark.source, mark.saved)
    yield Emit(
        Note(
            f"{mark.table}: its old table was renamed to {old.database}.{old.name} by somebody else: it is left to "
            "them",
            "warning",
        )
    )
    return None


def _end(database: str, mark: Mark) -> Routine[None]:
    # They carry the name that the table had when they were made, also where an operator has renamed it since.
    for name in (yield from staging_tables(database, mark, mark.work.table)):
        yield from drop_table(database, name)
    # Before the mark goes, which alone says which views were stopped.
    yield from start_refreshes(mark.stopped)
    yield from drop_mark(database, mark)
