"""Copies, and views that were put in place, of a run that was killed on a cluster: put right before anything is
planned."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.apply.backfill.recover_on_replicas import settle_backfills
from aaiclick.apply.everywhere import pin
from aaiclick.apply.replicated.recovery import settle_marks
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.topology import read_topology
from aaiclick.commands.hosts.reach import require_nothing_begun
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.owned import Owned, read_owned


def settle_on_hosts(
    schema: Schema, owned: Owned, options: ApplyOptions, *, resume: bool = False
) -> Routine[tuple[Owned, ApplyOptions]]:
    """Undo, or bring to their end, the copies of replicated tables and the views that were begun; what is there then.
    ``resume``: copies that may go on are left waiting, and the options name their tables and the hosts that have them.

    Raises ``ApplyError`` where one was begun on one host alone, or where a host that takes part does not answer.
    """
    require_nothing_begun(owned)
    if not (owned.replicated_marks() or owned.replicated_backfills()):
        return owned, options
    # No object is needed to find the hosts: only the database and its engine.
    catalog = yield from read_catalog(owned.database, ())
    topology = yield from read_topology(catalog, schema.cluster or "")
    reach = yield from pin(Reach(topology))
    # Copies first: a view is filled from tables that have to be the live ones by then.
    done = yield from settle_marks(owned, reach, options, resume=resume)
    yield from settle_backfills(owned, reach, options)
    waiting = frozenset(each.object for each in done if each.action == "waiting")
    if waiting:
        options = replace(options, resumable=waiting, reach=reach)
    return (yield from read_owned(owned.database)), options
