"""Taking away what a copy on replicas has made: before the exchange everything, after it what is left."""

from __future__ import annotations

from aaiclick.apply.everywhere import QUEUE, shortly
from aaiclick.apply.replicated.hold import set_everywhere
from aaiclick.apply.replicated.shadow import drop_everywhere
from aaiclick.apply.replicated.writers import admit_everywhere, open_by_log
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.replicas import tables_everywhere
from aaiclick.clickhouse.storages import remove_guards
from aaiclick.clickhouse.tables import physical, require_table
from aaiclick.clickhouse.topology import LOOK, named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import ApplyError
from aaiclick.events import Note
from aaiclick.routine import Command, Emit, Query, Routine, number
from aaiclick.sql.ddl import drop
from aaiclick.sql.ddl import everywhere as on_cluster
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import quote_name
from aaiclick.state.replicated.mark import ReplicatedMark, drop_replicated_mark, update_replicated_mark

_SECONDS = 60.0


def undo_everywhere(database: str, mark: ReplicatedMark, reach: Reach, seconds: float) -> Routine[None]:
    """Before the exchange: make the table on all hosts as it was, and take away what was made. Writers first.

    Only whoever knows that no EXCHANGE was sent may call this. Raises ApplyError where a host does not answer, or does
    not follow.
    """
    if mark.phase != "copy":
        raise AssertionError("from the exchange on there is one way only")
    # Where the line that said 'swap' got no answer it may be there.
    yield from update_replicated_mark(database, mark)
    # By the log of the table: hosts that are away follow when they are back.
    here = yield from physical(database, mark.table)
    if here is not None and here.uuid == mark.source_at(reach.here) and here.constrained:
        yield from open_by_log(here)
    found = yield from tables_everywhere(reach, database, (mark.table,), mark.table)
    ours = frozenset(
        place
        for place, tables in found.items()
        if (live := tables.get(mark.table)) is not None and live.uuid == mark.source_at(place)
    )
    if ours and ours != reach.places:
        raise ApplyError(
            f"{mark.table}: host {named(reach.topology, reach.places - ours)} has another table under the name than "
            "the one that was to be copied, and the others have that one still. Nothing was changed. Give it its "
            "name back there, and run again"
        )
    if ours:
        source = yield from require_table(database, mark.table)
        yield from shortly(remove_guards(source))
        yield from admit_everywhere(reach, source, seconds)
        yield from set_everywhere(database, mark.table, mark.saved, reach)
    else:
        yield Emit(
            Note(
                f"{mark.table} was replaced or dropped by somebody else while it was copied. If it is there under "
                "another name, it may refuse writers (a constraint of ours) and hold its merges: ALTER TABLE ... DROP "
                "CONSTRAINT, RESET SETTING",
                "warning",
            )
        )
    yield from drop_everywhere(database, mark.shadow_name, reach)
    yield from clear_everywhere(database, mark, reach)


def clear_everywhere(database: str, mark: ReplicatedMark, reach: Reach) -> Routine[None]:
    """Drop the staging tables on whatever host has them, and the mark last."""
    yield from _drop_staged(mark.staged_in, reach)
    yield from drop_replicated_mark(database, mark)


def _drop_staged(staged_in: str, reach: Reach) -> Routine[None]:
    topology = reach.topology
    places = yield from _with_database(staged_in, reach)
    if not places:
        return
    if places == [reach.here]:
        yield Command(drop("DATABASE", quote_name(staged_in), if_exists=True, sync=True))
        return
    # The host of a run that was killed.
    everywhere = on_cluster(quote_name(staged_in), topology.cluster)
    yield Command(drop("DATABASE", everywhere, if_exists=True, sync=True), settings=QUEUE)
    wait = Wait(0.05, 1.0)
    while places := (yield from _with_database(staged_in, reach)):
        if wait.waited > _SECONDS:
            raise ApplyError(
                f"host {named(topology, places)} still has database {staged_in} with what an earlier run has copied. "
                "Drop it there, and run again"
            )
        wait = yield from rest(wait)


def _with_database(name: str, reach: Reach) -> Routine[list[int]]:
    rows = yield Query(
        f"SELECT toInt64(_shard_num) FROM {reach.topology.everywhere('system.databases')} WHERE name = "
        "unhex({name:String})",
        {"name": hexed(name)},
        LOOK,
    )
    return sorted(number(row[0]) for row in rows)
