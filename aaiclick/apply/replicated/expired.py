"""Old tables that all hosts of a cluster keep: dropped on every one of them when their time is over."""

from __future__ import annotations

from aaiclick.apply.replicated.shadow import drop_everywhere
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.replicas import tables_by_name
from aaiclick.clickhouse.topology import named
from aaiclick.events import Note
from aaiclick.routine import Emit, Routine
from aaiclick.state.owned import Owned
from aaiclick.state.replicated.kept import forget_kept


def drop_expired_everywhere(owned: Owned, reach: Reach) -> Routine[None]:
    """Drop those whose time is over by the server's clock. Where a host is away they stay until a later start: one that
    comes back would have them still."""
    for row in owned.kept_on_replicas():
        if not row.kept.expires or row.kept.expires > owned.at // 1000:
            continue
        found = yield from tables_by_name(reach.topology, owned.database, (row.name,))
        away = frozenset(range(1, len(reach.topology.hosts) + 1)) - found.keys()
        if away:
            said = f"{row.name} stays longer than it was kept for: host {named(reach.topology, away)} does not answer"
            yield Emit(Note(said))
            continue
        yield from drop_everywhere(owned.database, row.name, reach)
        yield from forget_kept(owned.database, row.name)
