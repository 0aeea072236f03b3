"""What a killed run left stopped or dropped: TTL merges, refreshable views, and views that were to be made anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aaiclick.clickhouse.features import sets
from aaiclick.clickhouse.mutations import RECALCULATE
from aaiclick.clickhouse.statements import ddl, system_merges
from aaiclick.clickhouse.storages import storage
from aaiclick.clickhouse.tables import physical
from aaiclick.routine import Routine
from aaiclick.sql.clauses import reset_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified
from aaiclick.state.journal import Details, Entry
from aaiclick.state.progress import KEPT, STOPPED, TTL_CHANGE, JournalScope, begun, enter_end


def ttl_changes(scope: JournalScope, entries: Iterable[Entry]) -> Mapping[str, str]:
    """The tables whose TTL merges a run stopped, and did not live to start again; each with the UUID of its storage,
    '' where that is not known."""
    return {
        str(entry.details.get("table")): str(entry.details.get("uuid", ""))
        for entry in begun(scope, entries, TTL_CHANGE)
    }


def stopped_views(scope: JournalScope, entries: Iterable[Entry]) -> frozenset[str]:
    """Refreshable views that were stopped, and that a run made anew, or was about to, without living to stop them
    again; by their quoted names."""
    return frozenset(str(entry.details.get("view")) for entry in begun(scope, entries, STOPPED))


def kept_views(scope: JournalScope, entries: Iterable[Entry]) -> Mapping[str, Details]:
    """What nobody declares of views that a run was making anew without living to the end of it; by their quoted
    names."""
    return {entry.action.step.partition(KEPT)[2]: entry.details for entry in begun(scope, entries, KEPT)}


def undo_ttl_changes(scope: JournalScope, changes: Mapping[str, str]) -> Routine[None]:
    """Put back what a run that is gone did to change the TTL of these tables, or to save their rows from it: TTL merges
    may be stopped, and a setting be left. Only under the lease."""
    for table, uuid in sorted(changes.items()):
        there = yield from physical(scope.database, table)
        # By name, as they were stopped. Where another table has the name by now this starts merges that nobody has
        # stopped.
        yield from system_merges(scope.database, table, "START TTL MERGES")
        # Somebody may have put another table under the name since: what was stopped stays with the storage.
        if uuid and (there is None or there.uuid != uuid):
            stopped = yield from storage(scope.database, uuid)
            if stopped is not None:
                yield from system_merges(stopped.database, stopped.name, "START TTL MERGES")
        if there is not None and sets(there.definition, RECALCULATE):
            # Behind the merges: as long as the setting is there, the table itself says that somebody was at work on its
            # TTL.
            yield from ddl(alter_table(qualified(scope.database, table), reset_setting(RECALCULATE)))
        # The entry ends last: after a kill in between all of this is done once more, which changes nothing.
        yield from enter_end(scope, ttl_change_key(table))


def ttl_change_key(table: str) -> str:
    """The key of a change of a table's TTL."""
    return f"0{TTL_CHANGE}{table}"
