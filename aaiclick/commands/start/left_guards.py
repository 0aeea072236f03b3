"""Constraints of a run that are on a table still, and that nobody would take away: they refuse rows of writers."""

from __future__ import annotations

from aaiclick.apply.guarded_alter import drop_left_guards
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.routine import Routine


def drop_left(found: Inspection) -> Routine[bool]:
    """Drop them, and say whether there were any. Only under the lease: nobody else is at work then, so that a run was
    killed between two ALTERs, or did not hear whether the first one had happened."""
    if not found.guarded:
        return False
    dropping = drop_left_guards(found.catalog.database)
    if found.topology.reached:
        from aaiclick.apply.everywhere import everywhere, pin
        from aaiclick.clickhouse.every_host import Reach

        dropping = everywhere(dropping, (yield from pin(Reach(found.topology))))
    yield from dropping
    return True
