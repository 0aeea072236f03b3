"""Rolling back to an earlier version, with the rows that came since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from aaiclick.apply.backfill.backfill import finish_backfills
from aaiclick.apply.everywhere import everywhere
from aaiclick.apply.executor import apply_work
from aaiclick.apply.recovery import recover_killed_runs
from aaiclick.apply.replicated.distributed_queues import flush_before, flush_now
from aaiclick.apply.replicated.restore import restore_on_replicas
from aaiclick.apply.rollback.inspect import Restore
from aaiclick.apply.rollback.on_shards import RestoreOnShards, reach_back
from aaiclick.apply.rollback.restore import restore_table
from aaiclick.apply.rollback.used import drop_used
from aaiclick.apply.run import ApplyOptions, Done, NewReaders, Site
from aaiclick.catalog.read import read_catalog
from aaiclick.clickhouse.every_host import Reach
from aaiclick.clickhouse.shared.bookkeeping import read_bookkeeping, with_bookkeeping
from aaiclick.clickhouse.tables import physicals
from aaiclick.clock import clock
from aaiclick.commands.hosts.recover import settle_on_hosts
from aaiclick.commands.inspection.digests import live_digest, migrations_digest
from aaiclick.commands.inspection.inspect import inspect_database
from aaiclick.commands.report import Report
from aaiclick.commands.rollback.plan import RollbackPlan, find_rollback, left_to_send
from aaiclick.commands.rollback.renames import RenameBack, rename_back
from aaiclick.commands.rollback.unfinished_rollback import returned, send_views
from aaiclick.commands.session import under_lease
from aaiclick.commands.start.left_guards import drop_left
from aaiclick.diff.hazards import WITHOUT_OBJECT
from aaiclick.errors import HazardNotAllowedError, SchemaError
from aaiclick.events import StepDone, StepStarted
from aaiclick.lease.owner import Owner
from aaiclick.lease.renew import Lease
from aaiclick.plan.dependents.read import new_readers
from aaiclick.plan.model import Step
from aaiclick.plan.unreachable_replicas import refusal, unsupported
from aaiclick.printable import allow_flag
from aaiclick.relay import placed
from aaiclick.routine import Emit, Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.cache import CacheEntry, write_cache
from aaiclick.state.entries.stopped import undo_ttl_changes
from aaiclick.state.kept_tables import next_expiry
from aaiclick.state.owned import read_owned
from aaiclick.state.rebuild_mark import Mark
from aaiclick.state.records import append, ensure_tables
from aaiclick.state.transition import UnfinishedRollback, begin_back

SHORTEST = 3600
"""Seconds that the newer table is kept at least: a run that goes on after a kill knows by it what is done already."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What one call of ``rollback_schema`` was given."""

    schema: Schema
    """What the code declares."""
    database: str | None
    """Name of the database; None: the connection's own."""
    to: int | None
    """Version to roll back to; None: the one before."""
    allow: frozenset[str]
    """What is allowed by name."""
    dry_run: bool
    """Nothing is changed: the report says what would be."""
    owner: Owner
    """The process that calls."""
    embedded: bool
    """The engine runs inside this process."""
    keep_seconds: int
    """How long the table that is replaced now is kept."""


def rollback(back: Rollback) -> Routine[Report]:
    """Look, refuse or carry out."""
    started = yield from clock()
    found = yield from inspect_database(back.schema, back.database)
    database = found.catalog.database
    if not back.dry_run and (words := unsupported(found.catalog, back.allow, found.topology)):
        raise refusal(
            back.schema.name, words, (), "aaiclick rollback" if back.to is None else f"aaiclick rollback --to {back.to}"
        )
    # After a kill the tables are half-way: they are put right first, under the lease, and looked at again.
    if back.dry_run or not found.owned.unfinished:
        looked = with_bookkeeping(find_rollback(found, back.to), found.where.books)
        way = yield from placed(looked, database, found.catalog.server.current_database)
        if back.dry_run:
            return _report(back, way, (yield from clock()) - started, done=False)
        _require_allowed(back, way)

    def body(lease: Lease) -> Routine[Report]:
        work = _carry_out(back, database, lease.nonce, started)
        return placed(work, database, found.catalog.server.current_database)

    report = yield from under_lease(database, back.owner, body, embedded=back.embedded, books=found.books)
    assert report is not None
    return report


def _require_allowed(back: Rollback, way: RollbackPlan) -> None:
    command = "aaiclick rollback" if back.to is None else f"aaiclick rollback --to {back.to}"
    blocked = [restore.blocked for restore in way.restores if restore.blocked]
    if blocked:
        raise SchemaError(
            f"{back.schema.name} cannot roll back to v{way.to}: {'; '.join(blocked)}. Nothing was changed: restore a "
            "backup"
        )
    if way.readers.blocked:
        raise SchemaError(
            f"{back.schema.name} cannot roll back to v{way.to} yet: {'; '.join(way.readers.blocked)}. Nothing was "
            f"changed. When that is done, run: {command}"
        )
    refused = [(key, words) for key, words in way.refusals if key not in back.allow]
    if refused:
        raise HazardNotAllowedError(
            back.schema.name, tuple(words for _, words in refused), tuple(key for key, _ in refused), command
        )


def _carry_out(back: Rollback, database: str, nonce: str, started: float) -> Routine[Report]:
    options = ApplyOptions(keep_old_seconds=max(back.keep_seconds, SHORTEST))
    # Where a rollback was killed, this one goes on to the same version, also where nothing had come of it
    # yet.
    owned = yield from read_owned(database)
    begun = [mark.back_to for mark in owned.marks() if isinstance(mark, Mark)]
    begun += [mark.back_to for mark in owned.replicated_marks()]
    # Read before the marks are settled: a copy that is undone takes along what says to which version it led.
    aims = [aim for aim in begun if aim is not None]
    shared = (yield from read_bookkeeping(database)).shared
    if shared:
        owned, _ = yield from settle_on_hosts(back.schema, owned, options)
    # A copy that was killed is undone or brought to its end before kept tables are looked at: until then it is open
    # which of two storages is the live one.
    settled = () if shared else (yield from recover_killed_runs(owned, options))
    yield from finish_backfills(owned, options)
    # What was settled has changed the tables of ours: they are read again then.
    found = yield from inspect_database(back.schema, database, owned=None if settled else owned)
    if (yield from drop_left(found)):
        found = yield from inspect_database(back.schema, database)
    # Planned once more: the plan from before the lease was made of what anybody could still change.
    way = yield from find_rollback(found, back.to if back.to is not None else min(aims, default=None))
    _require_allowed(back, way)
    # Distributed tables lose columns before the tables do: a host that cannot send what waits is found before that.
    if way.reach is not None:
        site = Site(database, nonce, replace(options, reach=way.reach))
        for restore in way.restores:
            yield from flush_now(restore.work, site, way.reach)
    renamed = {each.now: each.before for each in (*way.renames.back, *way.renames.done)}
    yield from _begin(back, way, renamed)
    # Only after that entry: until it is there, these tables are what shows that a rollback had begun.
    reach = way.reach
    if reach is None and shared and way.done:
        reach = yield from reach_back(found.topology, database, [row.name for row in way.done])
    said: list[str] = []
    for row in way.done:
        left = f"leave-detached-parts {row.kept.table}" in back.allow
        said += yield from drop_used(database, row.name, reach, leave_detached=left)
    options = replace(options, reach=reach, new_readers=_new_readers(way))
    said += yield from _put_back(way, Site(database, nonce, options))
    # What the runs that are rolled back have stopped, and nobody else would start.
    hosts = None if found.topology.single else Reach(found.topology)
    yield from everywhere(undo_ttl_changes(found.scope, found.ttl_changes), hosts)
    yield from _record(back, way, renamed.values(), started, shared=shared)
    return _report(back, way, (yield from clock()) - started, done=True, said=tuple(said))


def _begin(back: Rollback, way: RollbackPlan, renamed: Mapping[str, str]) -> Routine[None]:
    """Enter that the rollback begins, with the storages that are to go. ``renamed``: former names, by those of now."""
    found, database = way.found, way.database
    # Read before the entry is written: it is to name the storages that the newer version has.
    live = yield from physicals(database, tuple(sorted(restore.kept.table for restore in way.restores)))
    going = found.unfinished_rollback
    # The storages that are to go. A run that was killed may have exchanged some already, so what it entered counts.
    listed = {name: table.uuid for name, table in live.items()} | (
        dict(going.tables) if going is not None and going.to == way.to else {}
    )
    listed |= {each.now: each.uuid for each in way.renames.back if each.uuid}
    views = {**left_to_send(way.found, way.to), **way.readers.statements}
    # Before the first effect, so that nobody takes tables that are half rolled back for the newer version.
    yield from ensure_tables(database)
    yield from begin_back(found.scope, UnfinishedRollback(way.to, way.live, str(back.owner), 0, listed, renamed, views))


def _record(
    back: Rollback, way: RollbackPlan, former: Collection[str], started: float, *, shared: bool
) -> Routine[None]:
    """End the rollback. ``former``: the names that tables have again."""
    database = way.database
    named = {item.name for item in back.schema.objects} | set(way.found.catalog.objects) | set(former)
    names = tuple(sorted(named))
    digest = yield from live_digest(back.schema, (yield from read_catalog(database, names)))
    seconds = (yield from clock()) - started
    # The record ends the rollback. Killed before it, all tables are back, and the next start records that (``settle``).
    yield from append(
        database, returned(back.schema.name, way.live, way.to, way.earlier, digest, str(back.owner), seconds)
    )
    # Read again: the rollback itself has kept the newer tables, and the cache says when the first of them may be
    # dropped.
    left = yield from read_owned(database)
    due = None if shared else next_expiry(left.kept())
    entry = CacheEntry(
        way.to,
        way.earlier.spec if way.earlier else "",
        digest,
        due=due,
        migrations=migrations_digest(back.schema, way.to),
    )
    # What was given up may have left something: the next start looks at the tables themselves.
    others = {name: each for name, each in left.cache().items() if name != back.schema.name}
    certain = way.found.unfinished_migration is None
    yield from write_cache(database, {**others, back.schema.name: entry} if certain else others)


def _put_back(way: RollbackPlan, site: Site) -> Routine[list[str]]:
    """Put the tables back, and then give those their former names that were renamed; notes."""
    said: list[str] = []
    reach = None if way.found.topology.single else Reach(way.found.topology)

    def around(step: Step) -> Routine[Done]:
        return (yield from everywhere(apply_work(step.work, site), reach))

    def renamed(each: RenameBack) -> Routine[Done]:
        # The last of all: kept tables are found by the names that these have until then.
        return Done(notes=tuple((yield from rename_back(site.database, each))))

    work = [
        *(around(step) for step in way.readers.before),
        *(_restored(restore, site, way.to) for restore in way.restores),
        *(around(step) for step in way.readers.behind),
        *(renamed(each) for each in way.renames.back),
    ]
    for number, (step, one) in enumerate(zip(way.steps, work, strict=True), 1):
        begun = yield from clock()
        yield Emit(StepStarted(number, len(way.steps), step.object, step.change, step.strategy, step.rows))
        done = yield from one
        said += done.notes
        seconds = (yield from clock()) - begun
        yield Emit(StepDone(number, len(way.steps), step.object, step.strategy, done.rows, seconds))
    # What a run was about to send that was killed when its tables were back already.
    left = {name: sent for name, sent in left_to_send(way.found, way.to).items() if name not in way.readers.statements}
    yield from send_views(site.database, left, reach)
    return said


def _new_readers(way: RollbackPlan) -> NewReaders | None:
    """Asked around each exchange that takes columns away: what the plan has not seen was made since."""
    known, own = way.readers.seen, way.readers.following
    if known is None:
        return None
    return lambda table: new_readers(way.database, table, known, own, way.found.topology)


def _restored(restore: Restore, site: Site, to: int) -> Routine[Done]:
    here = replace(site, options=replace(site.options, leave_detached=bool(restore.detached)))
    if isinstance(restore, RestoreOnShards):
        if site.options.reach is not None:
            # The last files that have a column which goes: what is sent behind the exchange is refused for ever.
            yield from flush_before(restore.work, here, site.options.reach)
        return (yield from restore_on_replicas(restore, here, to))
    return (yield from restore_table(restore, here, to))


def _report(back: Rollback, way: RollbackPlan, seconds: float, *, done: bool, said: tuple[str, ...] = ()) -> Report:
    return Report(
        schema=way.found.schema.name,
        database=way.database,
        from_version=way.live,
        to_version=way.to,
        steps=way.steps if done else (),
        pending=() if done else way.steps,
        reasons=() if done else tuple(_reason(way, step.object) for step in way.steps),
        notes=(*_partly(way, done=done), *way.notes, *said, *_not_needed(back, way)),
        in_sync=done,
        duration=seconds,
    )


def _not_needed(back: Rollback, way: RollbackPlan) -> tuple[str, ...]:
    """Keys that nothing asks for: a misspelt one is one of them."""
    asked = {key for key, _ in way.refusals}
    left = sorted(key for key in back.allow - asked if key not in WITHOUT_OBJECT)
    return tuple(f"{key!r} was not needed: nothing asks for it" for key in left)


def _partly(way: RollbackPlan, *, done: bool) -> tuple[str, ...]:
    """What concerns no single table that comes back."""
    tables = {restore.kept.table for restore in way.restores}
    found = [
        (key, words) for key, words in way.refusals if key.partition(" ")[2] not in tables or key.startswith("partial ")
    ]
    return tuple(words if done else f"{words} ({allow_flag(key)})" for key, words in found)


def _reason(way: RollbackPlan, table: str) -> str:
    words = [
        f"{words} ({allow_flag(key)})"
        for key, words in way.refusals
        if key.partition(" ")[2] == table and not key.startswith("partial ")
    ]
    words += [step.blocked for step in way.readers.steps if step.object == table and step.blocked]
    words += [restore.blocked for restore in way.restores if restore.kept.table == table and restore.blocked]
    return "; ".join(words) or "not asked for: this is a dry run"
