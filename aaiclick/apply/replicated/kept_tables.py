"""Old tables that all hosts of a cluster keep: dropped on every one of them when their time is over."""

from __future__ import annotations

from aaiclick.apply.replicated.shadow import drop_everywhere
from aaiclick.apply.replicated.stop_merges import set_everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import NUMBERS
from aaiclick.clickhouse.shared.replicas import tables_by_name
from aaiclick.clickhouse.topology import named
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.kept_tables import KeptComment, KeptRow
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.kept import forget_kept


def drop_expired_everywhere(owned: Owned, reach: Reach) -> Routine[None]:
    """Drop those whose time is over by the server's clock. Where a host is away they stay until a later start: one that
    comes back would have them still."""
    for row in owned.kept_on_replicas():
        if not row.kept.expires or row.kept.expires > owned.at // 1000:
            continue
        away = yield from drop_kept_everywhere(owned.database, row, reach)
        if away:
            said = f"{row.name} stays longer than it was kept for: host {named(reach.topology, away)} does not answer"
            yield Emit(Note(said))


def drop_kept_everywhere(database: str, row: KeptRow, reach: Reach) -> Routine[frozenset[int]]:
    """Drop one on every host; the places of hosts that do not answer, and then nothing was dropped."""
    found = yield from tables_by_name(reach.topology, database, (row.name,))
    away = frozenset(range(1, len(reach.topology.hosts) + 1)) - found.keys()
    if away:
        return away
    # Only when all hosts have answered: one that is away would keep it, and no note would tell of it any more.
    yield from drop_everywhere(database, row.name, reach)
    # Without the numbers a kept table that a kill has left could not be rolled back to: the setting goes second.
    if row.kept.numbered:
        yield from _reset_numbers(database, row.kept, reach)
    yield from forget_kept(database, row.name)
    return frozenset()


def _reset_numbers(database: str, kept: KeptComment, reach: Reach) -> Routine[None]:
    found = yield from tables_by_name(reach.topology, database, (kept.table,))
    live = [tables[kept.table] for tables in found.values() if kept.table in tables]
    if live and all(each.uuid == kept.replaced_by for each in live):
        yield from set_everywhere(database, kept.table, ((NUMBERS, ""),), reach)
