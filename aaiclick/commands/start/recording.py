"""Records the transition that a run has carried out, and what the next start may rely on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aaiclick.apply.running_mutations import wait_for_running_mutations
from aaiclick.catalog.forms import Form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.scratch import next_stale, scratch_on_hosts
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping
from aaiclick.clock import clock
from aaiclick.commands.execute import Executed
from aaiclick.commands.inspection.digests import live_digest, migrations_digest
from aaiclick.commands.inspection.inspect import Inspection
from aaiclick.commands.inspection.planning import PlannedMigration
from aaiclick.commands.inspection.recorded_forms import dump_forms
from aaiclick.commands.inspection.replaced import replaced_since, require_recorded
from aaiclick.commands.inspection.verify import residual
from aaiclick.commands.start.run import HeldRun, Run
from aaiclick.errors import DriftRemainsError
from aaiclick.lease.acquire import LEASE_SECONDS
from aaiclick.lease.tombstones import last_collection, own_collection
from aaiclick.plan.model import Plan
from aaiclick.routine import Routine
from aaiclick.state.cache import CacheEntry, write_cache
from aaiclick.state.kept_tables import next_expiry
from aaiclick.state.owned import Owned, read_owned
from aaiclick.state.record import Record
from aaiclick.state.records import append, ensure_tables


def record_transition(held: HeldRun, found: Inspection, carried: Executed) -> Routine[None]:
    """Look at the tables once more, and write down that they are what is declared. Raises DriftRemainsError where they
    are not."""
    run, database, ours = held.run, held.database, held.owned
    names = tuple(sorted(found.catalog.objects.keys() | {item.name for item in run.schema.objects}))
    # Read anew: what the plan expected is no proof of what the server has made of it.
    catalog = yield from read_catalog(database, names)
    left, forms = residual(found.schema, catalog, carried.last.forms)
    replaced, in_place = yield from replaced_since(carried.last.inspection, catalog, carried.verdict.run)
    # Nothing is recorded then: the version stays open, and the next start looks at everything again.
    if left or replaced:
        raise DriftRemainsError(run.schema.name, (*left, *replaced))
    # Of the catalogue that was compared: whatever somebody changes after that, the next start sees.
    digest = yield from live_digest(run.schema, catalog)
    if found.catalog.objects:
        # An ALTER of a run that was killed shows in the definitions at once, and in the data when its mutation has
        # ended.
        yield from wait_for_running_mutations(database, set(run.schema.table_names), held.options)
    if not found.topology.single:
        from aaiclick.commands.hosts.reach import require_everywhere

        # Before the record: a version is that of all hosts, and a start that finds it recorded looks at none of them
        # again.
        yield from require_everywhere(found, held.options.reach, run.policy.allowed)
    if not ours.recorded:
        yield from ensure_tables(database)
    seconds = (yield from clock()) - held.started
    if carried.verdict.run or not is_recorded(carried.first, digest):
        # Of the last look: a version that was recognised was recorded on the way here.
        before = carried.last.inspection.record
        record = _record(run, carried, forms, digest, seconds)
        # The server takes it only if the last record is still the one that this run has read, and each storage with
        # converted rows still has its name.
        yield from append(database, record, before.seq if before is not None else 0, in_place)
        if in_place:
            yield from require_recorded(database, record, in_place)
    # A first start leaves nothing to be taken away, and has made the table of the records under this lease: its comment
    # holds no entry yet.
    first = not (ours.recorded or ours.remains or ours.tombstones or any(outcome.kept for outcome in carried.outcomes))
    after = None if first else (yield from read_owned(database))
    due = yield from _due(held, after, (yield from clock()) - held.started)
    oldest = found.released.oldest_code(run.schema.version)
    entry = CacheEntry(run.schema.version, run.schema.fingerprint, digest, oldest, due, migrations_digest(run.schema))
    # The cache after the record. A kill in between leaves a cache that does not fit, and the next start takes the long
    # look.
    yield from write_cache(database, {**(after.cache() if after is not None else {}), run.schema.name: entry})


def _due(held: HeldRun, left: Owned | None, seconds: float) -> Routine[int | None]:
    """When a start next has something to drop, in Unix seconds by the server's clock; None: never.

    That is a kept table, a scratch database of a killed run, or the tombstone of a former lock: of a holder that was
    taken over, or of this run where a heartbeat was late. Where a mark, or a setting, waits for a table that is away,
    each start looks for it: nothing else would notice that it is back. ``left``: what is there at the end; None:
    nothing to be dropped. ``seconds``: how long this run took.
    """
    if left is not None and (left.unfinished or held.awaited):
        return left.at // 1000
    if cluster := (yield from read_bookkeeping(held.database)).cluster:
        scratch = (yield from scratch_on_hosts(left.scratch, cluster)) if left is not None else None
        moments = (next_stale(scratch), next_expiry(left.kept_on_replicas())) if left and scratch else ()
        return min((at for at in moments if at is not None), default=None)
    own = None if 0 <= seconds < LEASE_SECONDS else (yield from own_collection(held.database, held.nonce))
    later = (
        (next_expiry(left.kept()), last_collection(left.tombstones, left.at, LEASE_SECONDS), next_stale(left.scratch))
        if left is not None
        else ()
    )
    return min((at for at in (own, *later) if at is not None), default=None)


def _record(run: Run, carried: Executed, forms: Mapping[str, Form], digest: str, seconds: float) -> Record:
    found = carried.first.inspection
    adopted = not carried.verdict.run and found.record is None
    return Record(
        schema=run.schema.name,
        version=run.schema.version,
        state="adopted" if adopted else "applied",
        spec=run.schema.fingerprint,
        objects=digest,
        forms=dump_forms(forms),
        plan=_with_times(carried).to_json() if carried.verdict.run else "",
        who=str(run.owner),
        seconds=seconds,
        library=run.library,
        from_version=found.live.number,
        migrations=found.released.checksums(run.schema.version),
        oldest_code=found.released.oldest_code(run.schema.version),
    )


def _with_times(carried: Executed) -> Plan:
    """The plan with what each step took: later plans say by that how long others will take."""
    took = {outcome.step: outcome.seconds for outcome in carried.outcomes}
    return replace(carried.plan, steps=tuple(replace(step, took=took.get(step.id)) for step in carried.plan.steps))


def is_recorded(planned: PlannedMigration, digest: str) -> bool:
    """Whether the last record is of the declared version and of the tables as they are."""
    record = planned.inspection.record
    return record is not None and record.version == planned.inspection.schema.version and record.objects == digest
