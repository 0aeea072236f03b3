"""Under the lease: recover, plan, carry out, verify, record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from aaiclick.apply.backfill.backfill import finish_backfills
from aaiclick.apply.rebuild.resume import abandon, abandon_quietly
from aaiclick.apply.run import ApplyOptions
from aaiclick.catalog.read import SETTINGS, VIEWS
from aaiclick.catalog.scratch import sweep_stale_scratch
from aaiclick.catalog.server_objects.functions import sweep_stand_ins
from aaiclick.clickhouse.shared.bookkeeping import Bookkeeping, read_bookkeeping
from aaiclick.clickhouse.topology import Topology
from aaiclick.clock import clock
from aaiclick.commands.approval.approved import as_approved, end_approval, require_approved
from aaiclick.commands.approval.stand_alone import refused_besides, stand_alone
from aaiclick.commands.decide import compared, gate, obstacle
from aaiclick.commands.execute import Execution, execute, execute_stand_alone
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.inspection.planning import PlannedMigration, make_plan
from aaiclick.commands.inspection.warm import is_cached, warm
from aaiclick.commands.newer_version import newer
from aaiclick.commands.report import Report, report_of
from aaiclick.commands.session import under_lease
from aaiclick.commands.start.left_guards import drop_left
from aaiclick.commands.start.recording import record_transition
from aaiclick.commands.start.run import HeldRun, Run, asks_for_more
from aaiclick.errors import ApplyError
from aaiclick.lease.acquire import LEASE_SECONDS
from aaiclick.lease.entering import StillNeeded
from aaiclick.lease.late_cache import shut_out
from aaiclick.lease.lock import former_holders
from aaiclick.lease.renew import Lease
from aaiclick.lease.tombstones import buried_runs, collect_listed, former_runs
from aaiclick.plan.gate import GateDecision
from aaiclick.plan.planner import basis_of
from aaiclick.plan.policy import Policy
from aaiclick.plan.unreachable_replicas import refusal, unsupported
from aaiclick.routine import Emit, Routine
from aaiclick.state.block_numbers import noted_block_numbers
from aaiclick.state.kept_tables import drop_expired
from aaiclick.state.owned import read_owned
from aaiclick.state.progress import carry_over, enter_finished_rebuilds
from aaiclick.state.recorded_state import RecordedState, read_recorded_state


def migrate(
    run: Run,
    database: str,
    planned: PlannedMigration | None,
    started: float,
    absent: tuple[str, ...] = (),
    books: Bookkeeping | None = None,
) -> Routine[Report]:
    """Under the lease: recover what killed runs left, plan, carry out, verify, record.

    ``planned``: the plan from before the lease, used where nobody changed anything since; None: there is none.
    ``absent``: names under which nothing was there before the lease. ``books``: where lease and records are; None: one
    host has them.
    """

    def still_needed() -> Routine[bool]:
        # One query. Whoever had the lease before has mostly done it all, as in a deployment of many pods.
        seen = yield from warm(run.schema, database, run.policy.allowed)
        return not seen.in_sync or asks_for_more(run.policy, seen)

    def body(lease: Lease) -> Routine[Report | None]:
        return _apply(run, database, planned, lease.nonce, started, absent, still_needed)

    # collecting=False: tombstones are dropped further down, with what else earlier runs left.
    report = yield from under_lease(
        database, run.owner, body, embedded=run.embedded, still_needed=still_needed, books=books, collecting=False
    )
    if report is not None:
        return report
    # Whoever had the lease has done it.
    notes = planned.plan.notes if planned is not None else ()
    version = run.schema.version
    return Report(run.schema.name, database, version, version, (), (), (), notes, True, (yield from clock()) - started)


def _allowed_tables(policy: Policy, key: str) -> frozenset[str]:
    """The tables for which ``<key> <table>`` is allowed."""
    return frozenset(each.removeprefix(f"{key} ") for each in policy.allowed if each.startswith(f"{key} "))


def _ended(database: str, own: str, holders: Collection[str]) -> Routine[frozenset[str]]:
    """Whoever has the lease has waited for the end of all former holders."""
    others = [nonce for nonce in holders if nonce != own]
    books = yield from read_bookkeeping(database)
    if books.shared:
        from aaiclick.lease.generations import holders as generation_holders

        return (yield from generation_holders(books)) & frozenset(others)
    return (yield from former_holders(database, others))


def _options(policy: Policy) -> ApplyOptions:
    return ApplyOptions(
        keep_old_seconds=int(policy.keep_old.total_seconds()),
        writers_stopped=_allowed_tables(policy, "writers-stopped"),
        keep_writers_out=_allowed_tables(policy, "keep-writers-out"),
        reapply_deletes=_allowed_tables(policy, "reapply-deletes"),
        wait_for_deletes=_allowed_tables(policy, "wait-for-deletes"),
    )


def _apply(
    run: Run,
    database: str,
    planned: PlannedMigration | None,
    nonce: str,
    started: float,
    absent: tuple[str, ...],
    still_needed: StillNeeded,
) -> Routine[Report | None]:
    """Put right what killed runs left, then plan: until then tables may be half-way between two forms. None where
    another process had the lease since the last look, and has done it all."""
    options = _options(run.policy)
    ours = yield from read_owned(database, absent)
    shared = (yield from read_bookkeeping(database)).shared
    # On a cluster that was asked on the way in. Whoever had the lease has written the cache last: while it is of
    # another version, or declaration, there is certainly something to do.
    if not shared and is_cached(run.schema, ours.cache()) and not (yield from still_needed()):
        return None
    if shared:
        from aaiclick.commands.hosts.recover import settle_on_hosts

        ours, options = yield from settle_on_hosts(run.schema, ours, options, resume=True)
    elif ours.remains or ours.tombstones:
        from aaiclick.apply.recovery import recover_killed_runs

        # A client that was killed does not end its statement: it could still write into what is put right here.
        yield from shut_out(database, former_runs(ours.tombstones), buried_runs(ours.tombstones))
        done = yield from recover_killed_runs(ours, options, resume=True)
        options = replace(options, resumable=frozenset(each.object for each in done if each.action == "waiting"))
        # Under the lease the first answer stays true, unless something was put right just now.
        ours = (yield from read_owned(database, absent)) if done else ours
    # Nothing was there before the lease, and nothing came since: then no object of the schema has to be read.
    held = HeldRun(run, database, nonce, started, options, ours, empty=bool(absent) and not ours.known)
    try:
        return (yield from _plan_and_carry_out(held, planned))
    except Exception:
        yield from _abandon(database, options, quietly=True)
        raise


def _abandon(database: str, options: ApplyOptions, *, quietly: bool = False) -> Routine[None]:
    """Undo the copies that nobody went on with. ``quietly``: behind an error, which is the one that counts."""
    if options.reach is None:
        yield from (abandon_quietly if quietly else abandon)(database, options)
        return
    from aaiclick.apply.replicated.resume import abandon_everywhere, abandon_everywhere_quietly

    yield from (abandon_everywhere_quietly if quietly else abandon_everywhere)(database, options)


def _clear_away(held: HeldRun, recorded: RecordedState) -> Routine[HeldRun]:
    """What earlier runs left beside the copies of tables."""
    ours = held.owned
    # Before the plan: a view that is half filled is neither missing nor as it is declared.
    yield from finish_backfills(ours, held.options)
    cluster = (yield from read_bookkeeping(held.database)).cluster
    ended = partial(_ended, held.database, held.nonce)
    yield from sweep_stale_scratch(
        ours.scratch, held.database, embedded=held.run.embedded, ended=ended, cluster=cluster
    )
    if cluster:
        return held  # what one host has kept for itself stays
    yield from collect_listed(held.database, ours.tombstones, ours.at, LEASE_SECONDS)
    # Where no table is kept, what a new one had for the sake of one goes.
    kept = ours.kept()
    dropped = yield from drop_expired(held.database, kept, ours.at // 1000, recorded.block_numbers)
    needed = {row.kept.replaced_by for row in kept if row.name not in dropped}
    awaited = False
    if dropped or recorded.block_numbers.keys() - needed:
        awaited = bool((yield from noted_block_numbers(held.database)).keys() - needed)
    return replace(held, owned=ours.without(dropped), awaited=awaited)


def _plan_and_carry_out(held: HeldRun, planned: PlannedMigration | None) -> Routine[Report]:
    """Plan and carry out. Killed copies that may go on (``options.resumable``) are gone on with, or undone."""
    run, database = held.run, held.database
    recorded = yield from read_recorded_state(held.owned, run.schema.name, journal=held.owned.recorded)
    held = yield from _clear_away(held, recorded)
    found = yield from _look(held, recorded, planned)
    # Newer code may have come between the look before the lease and this one.
    if found.ahead or found.overtaken:
        yield from _abandon(database, held.options)
        return newer(found, (yield from clock()) - held.started)
    # Both write down what would be lost otherwise: after the first effect of this run the catalogue tells something
    # else.
    yield from carry_over(found.scope, found.entries, found.live.number or 0)
    yield from enter_finished_rebuilds(found.scope, found.entries, found.pending, found.progress)
    max_read_bytes = readable_bytes(run.policy)
    # The plan from before the lease counts only if nothing that it was made from has changed.
    if planned is None or _outdated(planned, found, run.policy):
        planned = yield from make_plan(
            found, max_read_bytes, run.policy.tries_on_parts or run.approved is not None, planned
        )
        yield Emit(compared(planned))
    if run.approved is not None:
        planned = yield from as_approved(planned)
    if not found.topology.single or held.options.reach is not None:
        held = yield from _reaching(held, planned, found.topology)
    site = Execution(
        database,
        held.nonce,
        held.options,
        str(run.owner),
        run.library,
        run.policy.allowed,
        max_read_bytes,
        run.approved,
    )
    # What was approved is carried out as a whole, or not at all.
    if run.approved is None and (alone := stand_alone(planned, run.policy)):
        yield from execute_stand_alone(planned, alone, site)
        raise refused_besides(planned, run.policy, alone)
    carried = yield from execute(planned, lambda each: _gate(run, each), site)
    # Before the version is recorded: a later start that has nothing to do would not look at copies that nobody went on
    # with.
    yield from _abandon(database, held.options)
    yield from record_transition(held, found, carried)
    if run.approved is not None and carried.verdict.run:
        yield from end_approval(carried.last.inspection.scope, run.approved)
    notes = (note for outcome in carried.outcomes for note in outcome.notes)
    report = report_of(carried.plan, carried.verdict, (yield from clock()) - held.started)
    return replace(report, notes=(*report.notes, *notes))


def _reaching(held: HeldRun, planned: PlannedMigration, topology: Topology) -> Routine[HeldRun]:
    """On a cluster: with the hosts that statements are sent to, on which what has expired is dropped."""
    from aaiclick.apply.replicated.kept_tables import drop_expired_everywhere
    from aaiclick.clickhouse.every_host import Reach
    from aaiclick.commands.hosts.reach import within_reach

    options = held.options
    if not topology.single and planned.plan.steps:
        options = yield from within_reach(planned, held.run.policy.allowed, options)
    elif not topology.single and options.reach is None:
        options = replace(options, reach=Reach(topology))
    if options.reach is not None:
        yield from drop_expired_everywhere(held.owned, options.reach)
    return replace(held, options=options)


def _gate(run: Run, planned: PlannedMigration) -> GateDecision:
    """What may run. What nobody can allow is said first, and then whether it is what was approved."""
    if run.approved is not None and obstacle(planned) is None:
        require_approved(run.approved, planned)
    return gate(planned, run.policy)


def _look(held: HeldRun, recorded: RecordedState, planned: PlannedMigration | None) -> Routine[Inspection]:
    """Inspect everything anew under the lease, after recording, or forgetting, a rollback that was killed.

    Raises where there is more than one replica: others may have come since the inspection before the lease.
    """
    run, allowed = held.run, held.run.policy.allowed
    if run.schema.function_names:
        yield from sweep_stand_ins()
    # What a plan needs beside the tables, unless nothing that is there differed a moment ago.
    beside = (VIEWS, SETTINGS) if planned is None else (VIEWS,) if planned.targets else ()
    found = yield from inspect_database(
        run.schema, held.database, allowed, empty=held.empty, owned=held.owned, recorded=recorded, beside=beside
    )
    # A rollback whose tables are all back is recorded, one of which nothing has happened yet is forgotten: after either
    # the version is another one, so everything is inspected anew.
    if found.unfinished_rollback is not None:
        from aaiclick.commands.rollback.unfinished_rollback import settle_back

        yield from settle_back(found, found.unfinished_rollback, str(run.owner))
        found = yield from inspect_database(run.schema, held.database, allowed, owned=held.owned)
    # Before the plan, whose ALTERs are tried on copies of these definitions.
    if (yield from drop_left(found)):
        found = yield from inspect_database(run.schema, held.database, allowed, owned=held.owned)
    if replicas := unsupported(found.catalog, allowed, found.topology):
        raise refusal(run.schema.name, replicas, ())
    if (held_by := (yield from read_bookkeeping(held.database))) != found.books:
        raise ApplyError(
            f"the hosts of database {held.database} are others than a moment ago ({', '.join(held_by.hosts) or 'one'}; "
            f"now {', '.join(found.books.hosts) or 'one'}). Nothing was changed; run again"
        )
    return found


def readable_bytes(policy: Policy) -> int | None:
    """How many bytes of a table's columns may be read to see what would become of them."""
    return 0 if policy.level in ("check", "safe") else policy.max_bytes


def _outdated(planned: PlannedMigration, found: Inspection, policy: Policy) -> bool:
    """Whether a plan that was made before the lease does not count: somebody changed something in between, or it left
    something out (a look at rows, a trial on a clone with parts of the table)."""
    before = planned.inspection
    if (
        basis_of(found.catalog) != planned.plan.basis
        or found.record != before.record
        or found.progress != before.progress
    ):
        return True
    return any(
        step.unlooked or (policy.tries_on_parts and step.work.kind in ("alter", "attach", "rebuild"))
        for step in planned.plan.steps
    )
