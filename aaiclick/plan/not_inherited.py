"""What a new table does not take over from the table that it replaces.

Grants, row policies, quotas, views and dictionaries find a table by its name, so they apply to the new one. A FREEZE
is a copy of its own. What belongs to the storage itself stays with the old table.
"""

from __future__ import annotations

from aaiclick.clickhouse.feeders import find_feeders
from aaiclick.clickhouse.parts import detached_parts
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine

_WINDOW = "non_replicated_deduplication_window"


def not_inherited(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    """Hazards of every step that exchanges the table; ``data_name`` is what it is called now."""
    detached = yield from _detached(diff, data_name)
    streams = yield from _streams(diff, data_name)
    return (*detached, *streams, *_tokens(diff))


def _detached(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    """The hazard of parts that somebody detached: they are in the old table's directory, and are dropped with it."""
    count, example = yield from detached_parts(diff.database, data_name)
    if not count:
        return ()
    message = (
        f"{count:,} detached parts of {data_name} (such as {example}) are not carried over: they go when "
        "the old table is dropped"
    )
    return (Hazard("loses-rows", message, f"leave-detached-parts {diff.live.name}"),)


def _streams(diff: TableDiff, data_name: str) -> Routine[tuple[Hazard, ...]]:
    """The hazard of streams into the table: what arrives at the moment of the exchange goes into the old table, and
    nothing tells when that is over."""
    found = yield from find_feeders(diff.database, data_name)
    if not found.streams:
        return ()
    names = ", ".join(found.streams)
    message = (
        f"{names} may bring rows in the moment of the exchange, which are lost: stop "
        f"{'it' if len(found.streams) == 1 else 'them'} first (DETACH TABLE)"
    )
    return (Hazard("loses-rows", message, f"writers-stopped {diff.live.name}"),)


def _tokens(diff: TableDiff) -> tuple[Hazard, ...]:
    # The log of the last INSERTs is a part of the table's storage.
    window = dict(diff.form.settings).get(_WINDOW, "0")
    if window in ("0", "false"):
        return ()
    message = (
        f"the new table does not know the last {window} inserts of {diff.live.name}: one of them that is sent again "
        "after the exchange"
        " is not recognised, and its rows are there twice"
    )
    return (Hazard("old-code-breaks", message),)
