"""Whether every host of a cluster can carry out what a plan sends to all of them."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.apply.everywhere import pin
from aaiclick.clickhouse.every_host import Reach, troubles
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.diff.hazards import WITHOUT_HOST
from aaiclick.errors import HazardNotAllowedError
from aaiclick.routine import Routine


def reach_of(planned: PlannedMigration, allowed: Collection[str]) -> Routine[Reach]:
    """The hosts that the steps of a plan are sent to, looked at before anything is sent.

    Raises ``HazardNotAllowedError`` where one of them cannot carry them out now and nobody allowed to go on without it,
    ``ApplyError`` where the connection leads to more than one server.
    """
    found = planned.inspection
    topology = found.topology
    reach = yield from pin(Reach(topology))
    tables = {step.object for step in planned.plan.steps} | found.catalog.objects.keys()
    wrong = yield from troubles(topology, found.catalog.database, tables)
    keys = {place: f"{WITHOUT_HOST} {topology.at(place).label}" for place in wrong}
    refused = {place: words for place, words in sorted(wrong.items()) if keys[place] not in allowed}
    if refused:
        said = tuple(f"host {topology.at(place).label} {words}" for place, words in refused.items())
        raise HazardNotAllowedError(
            found.schema.name,
            (*said, "nothing was changed, and a host that comes back carries out what was sent meanwhile"),
            tuple(keys[place] for place in refused),
        )
    return Reach(topology, reach.pinned, frozenset(wrong))
