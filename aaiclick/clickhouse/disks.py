"""Checks that the disks have room for a copy, before anything is changed."""

from __future__ import annotations

from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError
from aaiclick.printable import size_text
from aaiclick.routine import Routine, number, text
from aaiclick.sql.hex_text import hexed


def require_room(table: Physical, size: int, factor: float) -> Routine[None]:
    """Raise ApplyError where the disks of the table have less than ``factor`` times ``size`` bytes left for new parts.

    Disks that report no limit (object storage) count as roomy.
    """
    # Unreserved, not free: merges and other copies have reserved some of it. Object storage shows the largest number
    # that there is, so that a sum would wrap around without the limit.
    rows = yield from ask(
        "SELECT sum(least(unreserved_space, 1000000000000000)), arrayStringConcat(groupArray(name), ', ') FROM "
        "system.disks WHERE name IN"
        " (SELECT arrayJoin(disks) FROM system.storage_policies WHERE policy_name IN"
        " (SELECT storage_policy FROM system.tables WHERE database = unhex({db:String}) AND name = "
        "unhex({name:String})))",
        {"db": hexed(table.database), "name": hexed(table.name)},
    )
    free, disks = number(rows[0][0]), text(rows[0][1])
    needed = int(size * factor)
    if disks and free < needed:
        raise ApplyError(
            f"{table.name}: a rebuild needs {size_text(needed)} beside the old table, but disk {disks} has "
            f"{size_text(free)} left."
            " Nothing was changed: make room and run again"
        )
