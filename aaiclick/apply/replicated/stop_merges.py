"""Stops the merges of a replicated table on every host while its parts are copied, by settings alone.

All replicas are leaders: one that may still merge does it for all. ``SYSTEM STOP MERGES`` is not used: merges would be
assigned all the same, and the table's log would wait for them. Settings do not stop merges of expired rows, nor
OPTIMIZE: what these change is copied again.
"""

from __future__ import annotations

from aaiclick.apply.everywhere import everywhere
from aaiclick.catalog.forms import Settings
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.merges import MERGES_STOPPED, settings_in
from aaiclick.clickhouse.shared.replicas import Placed, merges_cancelled, tables_by_name, unsettled
from aaiclick.clickhouse.statements import ddl
from aaiclick.clickhouse.tables import Physical
from aaiclick.clickhouse.topology import named
from aaiclick.clickhouse.waiting import Wait, rest
from aaiclick.errors import ApplyError
from aaiclick.routine import Routine
from aaiclick.sql.clauses import modify_settings, reset_setting
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified

_SECONDS = 600.0
"""Seconds that merges may take which were assigned before: a large one is carried out to its end."""
_STOPPED = 10.0
"""Seconds behind which it is asked whether anybody has stopped them."""


def stop_merges_everywhere(source: Physical, reach: Reach) -> Routine[None]:
    """No host begins a merge of the table from here on, and those that were assigned have ended.

    Raises ApplyError where one has not after ten minutes, or waits on a host where merges are stopped.
    """
    yield from set_everywhere(source.database, source.name, MERGES_STOPPED, reach)
    # A merge that was assigned before is in the log: every replica still carries it out.
    wait = Wait(0.05, 1.0)
    while True:
        # A merge would put a part in place that holds copied and uncopied rows, on every replica at once.
        left = yield from unsettled(reach, source.database, source.name)
        if not left:
            return
        if wait.waited > _STOPPED and (places := (yield from merges_cancelled(reach, source.database, source.name))):
            raise ApplyError(
                f"{source.name}: merges are stopped on host {named(reach.topology, places)} (SYSTEM STOP MERGES), and "
                f"one that was assigned before waits there. SYSTEM START MERGES "
                f"{qualified(source.database, source.name)} there, and run again"
            )
        if wait.waited > _SECONDS:
            raise ApplyError(
                f"{source.name}: merges or mutations are still under way on host {named(reach.topology, left)} after "
                f"{wait.waited:.0f} s. Run again when they have ended"
            )
        wait = yield from rest(wait, f"merges of {source.name} to end on {named(reach.topology, left)}")


def set_everywhere(database: str, name: str, wanted: Settings, reach: Reach) -> Routine[None]:
    """Give a table these settings on every host ('' for the server's default), where one has others."""
    there = yield from tables_by_name(reach.topology, database, (name,))
    present = [
        saved(placed.definition, wanted) for tables in there.values() if (placed := tables.get(name)) is not None
    ]
    if all(found == dict(wanted) for found in present):
        return
    given = [pair for pair in wanted if pair[1]]
    unset = [key for key, value in wanted if not value and any(found[key] for found in present)]
    commands = ([modify_settings(given)] if given else []) + ([reset_setting(*unset)] if unset else [])
    # In one statement: both are settings of each replica, and every host is waited for once.
    altered = alter_table(qualified(database, name), *commands, parentheses=len(commands) > 1)
    yield from everywhere(ddl(altered), reach, repeatable=True)


def is_held(table: Placed) -> bool:
    """Whether a table has our constraint, or the settings that stop its merges."""
    return table.fenced or saved(table.definition, MERGES_STOPPED) == dict(MERGES_STOPPED)


def saved(definition: str, wanted: Settings) -> dict[str, str]:
    """What a definition says of these settings; '' for nothing."""
    found = dict(settings_in(definition))
    return {name: found.get(name, "") for name, _ in wanted}
