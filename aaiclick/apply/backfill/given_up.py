"""What is said of a fill that is not brought to its end, because somebody has taken away its view or its source: what
its target holds by now, and what becomes of that."""

from __future__ import annotations

from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.ask_all import ask_all
from aaiclick.clickhouse.shared.away import moved_on_hosts
from aaiclick.clickhouse.shared.replicas import tables_everywhere
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import own_table
from aaiclick.clickhouse.topology import Topology
from aaiclick.errors import ApplyError
from aaiclick.plan.operations import Fill
from aaiclick.printable import rows_text
from aaiclick.routine import Routine, number
from aaiclick.sql.cluster import with_uuid
from aaiclick.sql.ddl import truncate_table, with_cluster
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.replicated.backfill_mark import ReplicatedBackfillMark

_ROWS = "toInt64(ifNull(total_rows, 0))"
_NAMED = "database = unhex({db:String}) AND name = unhex({name:String})"


def why_given_up(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[str]:
    """What to say where somebody has taken the view away, or the table that it is filled from; '' where not.

    Raises ApplyError where some hosts have it and others have not.
    """
    fill = mark.work.fill
    assert fill is not None
    names = (fill.source, mark.work.view)
    found = yield from tables_everywhere(reach, database, names, mark.work.view)
    sources = {
        place
        for place, tables in found.items()
        if fill.source in tables and tables[fill.source].uuid == mark.places(fill.source)[place - 1]
    }
    if not sources:
        return (yield from without_source(database, mark, reach))
    views = {place for place, tables in found.items() if mark.work.view in tables}
    if not views:
        return (yield from _without_view(database, mark, fill, reach))
    lacking = [(place, mark.work.view) for place in sorted(found.keys() - views)]
    other = [(place, fill.source) for place in sorted(found.keys() - sources)]
    if not lacking and not other:
        return ""
    said = [f"host {reach.topology.at(place).label} lacks {name}" for place, name in lacking]
    said += [
        f"host {reach.topology.at(place).label} has not the same {name} as when it was begun" for place, name in other
    ]
    way = "Make them equal, and run again: it goes on"
    if not other:
        uuids = {found[place][mark.work.view].uuid for place in views}
        made = mark.work.statements[-1]
        # A table of its own would need its UUID as well.
        if len(uuids) == 1 and fill.target and made.startswith("CREATE"):
            way = (
                f"Make it there as the others have it, and run again: it goes on. What was inserted through that host "
                f"meanwhile is not in {fill.target}. In database {database} there: {with_uuid(made, uuids.pop())}"
            )
    raise ApplyError(
        f"{mark.work.view} is filled from {fill.source}, and that goes on when all hosts have both: {'; '.join(said)}. "
        f"{way}"
    )


def without_source(database: str, mark: ReplicatedBackfillMark, reach: Reach) -> Routine[str]:
    """What to say where no host has the table any more that the view was filled from."""
    fill = mark.work.fill
    assert fill is not None
    held = yield from _held(database, mark, fill, reach)
    moved = yield from moved_on_hosts(reach, mark.places(fill.source), mark.work.view)
    return source_gone(mark.work.view, fill, held, ".".join(moved or ()))


def source_gone(view: str, fill: Fill, held: int | None, now: str) -> str:
    """The same; ``held``: how many rows the target has by now, None where it is not there. ``now``: database and name
    of the source where it is there still; '' where it is not."""
    into = fill.target or view
    what = f"moved, and is {now} now," if now else "dropped or replaced"
    return (
        f"{fill.source} was {what} while {into} was filled from it, and the fill was given up: "
        f"{_left(view, fill, held)}"
    )


def held_here(database: str, view: str, fill: Fill) -> Routine[int | None]:
    """How many rows the target of a fill has on the host that is asked; None where it is not there."""
    name = fill.target or (yield from own_table(database, view))
    rows = yield from ask(f"SELECT {_ROWS} FROM system.tables WHERE {_NAMED}", _bound(database, name))
    return number(rows[0][0]) if rows else None


def _without_view(database: str, mark: ReplicatedBackfillMark, fill: Fill, reach: Reach) -> Routine[str]:
    view = mark.work.view
    if not fill.target:
        return f"{view} was dropped while it was filled from {fill.source}, and the table that it owned went with it"
    held = yield from _held(database, mark, fill, reach)
    said = (
        f"{view} was dropped while {fill.target} was filled from {fill.source}, and the fill was given up: "
        f"{_left(view, fill, held)}"
    )
    if not held:
        return said
    return (
        f"{said}. To have it made anew: {emptied(database, fill.target, reach.topology)}; and run again; what anybody "
        f"else has written into {fill.target} goes, and does not come back"
    )


def _left(view: str, fill: Fill, held: int | None) -> str:
    into = fill.target or view
    if held is None:
        return f"{into} is not there any more"
    if not held:
        return f"{into} is empty"
    return f"{into} holds {rows_text(held)}, and may lack some of those that {fill.source} held"


def emptied(database: str, table: str, topology: Topology) -> str:
    """The statement that empties a table on all hosts."""
    name = qualified(database, table)
    # A table of a Replicated database is emptied by that database's log.
    return truncate_table(with_cluster(name, topology.cluster) if topology.kind == "queue" else name)


def _held(database: str, mark: ReplicatedBackfillMark, fill: Fill, reach: Reach) -> Routine[int | None]:
    """How many rows the target has, over all shards; None where no host has it."""
    name = fill.target or (yield from own_table(database, mark.work.view))
    rows = yield from ask_all(
        reach,
        f"SELECT toInt64(_shard_num), {_ROWS} FROM {reach.topology.everywhere('system.tables')} WHERE {_NAMED}",
        _bound(database, name),
        mark.work.view,
    )
    counts: dict[int, int] = {}
    for place, held in rows:
        shard = reach.topology.at(number(place)).shard
        # Replicas have the same rows, and one may not have fetched all of them yet.
        counts[shard] = max(counts.get(shard, 0), number(held))
    return sum(counts.values()) if counts else None


def _bound(database: str, name: str) -> dict[str, str | int]:
    return {"db": hexed(database), "name": hexed(name)}
