"""What an interrupted run still does: it lets writers in again, puts settings back and gives the lease back. The rest
is for the next run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aaiclick.apply.backfill.backfill import let_writers_in
from aaiclick.apply.rebuild.views import open_shadow
from aaiclick.clickhouse.merges import restart_merges
from aaiclick.clickhouse.storages import storage
from aaiclick.clickhouse.tables import physical
from aaiclick.clickhouse.topology import Topology, hosts_of
from aaiclick.clickhouse.write_fence import lift_fence
from aaiclick.errors import AaiclickError
from aaiclick.events import INTERRUPTED, Note
from aaiclick.lease.renew import Lease, check, release
from aaiclick.routine import Emit, Routine
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark

if TYPE_CHECKING:
    from aaiclick.state.replicated.backfill_mark import ReplicatedBackfillMark
    from aaiclick.state.replicated.mark import ReplicatedMark

_A_MOMENT = 1.0
"""Seconds for INSERTs that have begun: a driver that is told to stop allows few in all."""


def end_interrupted(lease: Lease) -> Routine[None]:
    """Let writers in again, put the settings of a table that was being copied back, and release the lease.

    Best effort: the driver allows a few seconds, and what was not done is left to the next run.

    A statement that still runs on a server is ended by the next holder of the lease before that does anything else. The
    fence may be lifted at any point: before the exchange the rows of writers are in the table that stays, after it they
    are brought across by block number. Once the exchange may have been sent, settings and merges are left to the next
    run: until it is known which rows came late, no merge may put them into a part with copied ones.
    """
    try:
        # A run that has lost its lease leaves the marks alone: its successor is at work on them.
        yield from check(lease)
        # Read now, not remembered: the interrupt may have come between a note and the next line of code.
        owned = yield from read_owned(lease.database)
        for mark in owned.marks():
            if isinstance(mark, Mark) and mark.phase == "copy":
                # The next run stops merges again; parts that were merged meanwhile are copied again.
                yield from restart_merges(lease.database, mark.source, mark.saved)
            # The exchange may have happened, so each storage of the mark is looked at by its UUID.
            elif isinstance(mark, Mark):
                yield from _lift(lease.database, mark)
        for copied in owned.replicated_marks():
            yield from _admit(lease.database, copied)
        for feed in owned.replicated_backfills():
            yield from _admit_sources(lease.database, feed)
        yield from let_writers_in(owned)
        # Last: as long as this run holds the lease nobody else works on these tables.
        yield from release(lease)
    except AaiclickError as error:
        yield Emit(Note(f"{INTERRUPTED} ({error})", "warning"))
    else:
        yield Emit(Note(INTERRUPTED, "warning"))


def _admit(database: str, mark: ReplicatedMark) -> Routine[None]:
    """Let writers in on all hosts, by the log of the table, where no host can have the new one yet. From then on those
    that have the old one have to go on refusing."""
    if mark.phase == "swap":
        said = f"{mark.table}: hosts that have the old table under its name refuse writers, until the next run"
        yield Emit(Note(said, "warning"))
        return
    yield from _open(database, mark.table, mark.sources, mark.cluster, apart=mark.apart)


def _admit_sources(database: str, mark: ReplicatedBackfillMark) -> Routine[None]:
    """The same for the sources of a view. While hosts may differ in whether they have it, none of them takes rows."""
    if mark.phase == "opening":
        said = f"{mark.work.view}: {', '.join(mark.work.sources)} refuses writers on all hosts, until the next run"
        yield Emit(Note(said, "warning"))
        return
    for name in mark.work.sources if mark.phase != "filled" else ():
        yield from _open(database, name, mark.places(name), mark.cluster)


def _open(database: str, name: str, sources: Sequence[str], cluster: str, *, apart: bool = False) -> Routine[None]:
    # Loaded only here: a run that made such a mark has loaded them before.
    from aaiclick.apply.replicated.clear import open_somehow
    from aaiclick.apply.replicated.writers import open_by_log
    from aaiclick.clickhouse.every_host import Reach

    if cluster:
        hosts = yield from hosts_of(cluster)
        topology = Topology("queue", cluster, hosts, database)
        reach = Reach(topology.apart if apart else topology)
        local = next((place for place, host in enumerate(hosts, 1) if host.is_local), 0)
        yield from open_somehow(database, name, sources, replace(reach, here=local))
        return
    here = yield from physical(database, name)
    # Under the name may be somebody else's table by now, whose constraints are none of ours.
    if here is not None and here.uuid in sources:
        yield from open_by_log(here)


def _lift(database: str, mark: Mark) -> Routine[None]:
    table = yield from storage(database, mark.source)
    # Under its kept name the old table refuses writers on purpose.
    if table is not None and table.name in (mark.table, mark.shadow_name) and table.fenced:
        yield from lift_fence(table)
    yield from open_shadow(database, mark, _A_MOMENT)
