"""Old tables that all hosts of a cluster keep: dropped on every one of them when their time is over."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.apply.replicated.shadow import drop_everywhere
from aaiclick.apply.replicated.stop_merges import set_everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.features import NUMBERS
from aaiclick.clickhouse.shared.host_answers import names_on_hosts
from aaiclick.clickhouse.shared.replicas import tables_by_name
from aaiclick.clickhouse.topology import named
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.kept_tables import KeptComment, KeptRow, say_kept, since_replaced
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.kept import forget_kept


@dataclass(frozen=True, slots=True)
class Left:
    """Why a kept table was not dropped; nothing where it was."""

    away: frozenset[int] = frozenset()
    """The hosts that do not answer, by their places."""
    detached: bool = False
    """Parts of it were detached that nobody has agreed to lose: it stays until somebody has looked at it."""


def drop_expired_everywhere(owned: Owned, reach: Reach) -> Routine[None]:
    """Drop those whose time is over by the server's clock. Where a host is away they stay until a later start: one that
    comes back would have them still."""
    for row in owned.kept_on_replicas():
        if not row.kept.expires or row.kept.expires > owned.at // 1000:
            continue
        left = yield from drop_kept_everywhere(owned.database, row, reach)
        if left.away:
            away = named(reach.topology, left.away)
            yield Emit(Note(f"{row.name} stays longer than it was kept for: host {away} does not answer"))


def drop_kept_everywhere(database: str, row: KeptRow, reach: Reach, *, looked_at: bool = False) -> Routine[Left]:
    """Drop one on every host, or none. ``looked_at``: by somebody, so that what only it holds is no
    reason to keep it."""
    found = yield from tables_by_name(reach.topology, database, (row.name,))
    away = frozenset(range(1, len(reach.topology.hosts) + 1)) - found.keys()
    if away:
        return Left(away)
    if not looked_at:
        # Its constraint keeps rows out, and nothing else. An earlier release did not look when it exchanged the tables.
        looked = yield from names_on_hosts(reach.topology, database, row.name)
        if looked.away:
            return Left(looked.away)
        if reason := since_replaced(row.kept, [name for name in looked.names if name not in row.kept.detached]):
            yield from say_kept(database, row, reason)
            return Left(detached=True)
    # Only when all hosts have answered: one that is away would keep it, and no note would tell of it any more.
    yield from drop_everywhere(database, row.name, reach)
    # Without the numbers a kept table that a kill has left could not be rolled back to: the setting goes second.
    if row.kept.numbered:
        yield from _reset_numbers(database, row.kept, reach)
    yield from forget_kept(database, row.name)
    return Left()


def _reset_numbers(database: str, kept: KeptComment, reach: Reach) -> Routine[None]:
    found = yield from tables_by_name(reach.topology, database, (kept.table,))
    live = [tables[kept.table] for tables in found.values() if kept.table in tables]
    if live and all(each.uuid == kept.replaced_by for each in live):
        yield from set_everywhere(database, kept.table, ((NUMBERS, ""),), reach)
