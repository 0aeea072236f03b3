"""A start that has something to look at: an inspection and one decision. Every change is made under the lease
(``migrate``)."""

from __future__ import annotations

from aaiclick.catalog.read import SETTINGS, VIEWS
from aaiclick.catalog.scratch import abandoned
from aaiclick.clock import clock
from aaiclick.commands.approval.approved import as_approved, require_approved, require_its_database
from aaiclick.commands.approval.stand_alone import stand_alone
from aaiclick.commands.decide import Decision, compared, decide, gate, obstacle
from aaiclick.commands.inspection.fresh_database import untouched
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.inspection.planning import PlannedMigration, make_plan
from aaiclick.commands.inspection.warm import Warm
from aaiclick.commands.migrate import migrate
from aaiclick.commands.newer_version import coming_back, newer, running_beside
from aaiclick.commands.report import Report, report_of
from aaiclick.commands.rights import may_clear, may_write
from aaiclick.commands.start.recording import is_recorded
from aaiclick.commands.start.run import Run
from aaiclick.plan.unreachable_replicas import refusal, unsupported
from aaiclick.routine import Emit, Routine
from aaiclick.state.cache import CacheEntry


def start(run: Run, seen: Warm, started: float) -> Routine[Report]:
    """Bring the database to the declared version, or raise the one sentence that says why not.

    ``seen``: what the query of the warm start saw. ``started``: when, by the clock of this process.
    """
    # A newer version is on its way and this code may run beside it: no lease is needed to say so.
    if seen.overtaken and seen.entry is not None and seen.entry.running is not None:
        ended = yield from clock()
        return running_beside(
            run.schema.name,
            seen.database,
            seen.entry.version,
            run.schema.version,
            seen.entry.running.to,
            ended - started,
        )
    # Where nothing of the schema is there an inspection would find nothing: the lease comes first.
    fresh = (yield from untouched(run.schema, run.database, seen)) if run.policy.level != "check" else None
    if fresh is not None:
        require_its_database(run.approved, fresh.database)
        return (yield from migrate(run, fresh.database, None, started, fresh.names))
    opening = run.policy.level != "check"
    # Tables that differ are planned over the views, and in scratch, which is on this server too.
    beside = (VIEWS, SETTINGS)
    found = yield from inspect_database(run.schema, run.database, run.policy.allowed, opening=opening, beside=beside)
    database = found.catalog.database
    require_its_database(run.approved, database)
    match decide(found, run.policy):
        case Decision.ONLY_LOOK:
            return (yield from _only_look(run, found, started))
        case Decision.RECOVER:
            return (yield from migrate(run, database, None, started, books=found.books))
        case Decision.NEITHER_VERSION:
            assert found.unfinished_rollback is not None
            raise coming_back(found, found.unfinished_rollback)
        case Decision.NEWER:
            return newer(found, (yield from clock()) - started)
        case Decision.PLAN:
            pass
    if run.approved is not None and run.policy.level != "check":
        # Only the plan made under the lease counts, and that one looks at all that the approved one looked at.
        return (yield from migrate(run, database, None, started, books=found.books))
    # What has to be looked at in the rows is looked at once, under the lease, by one of many starts.
    planned = yield from make_plan(found, max_read_bytes=0, clones=run.policy.tries_on_parts)
    yield Emit(compared(planned))
    planned = yield from _approved(run, planned)
    # Nothing to do under the lease, or a policy that changes nothing: the lease is left alone.
    if (yield from _settled(run, planned, seen)):
        return report_of(planned.plan, gate(planned, run.policy), (yield from clock()) - started)
    return (yield from migrate(run, database, planned, started, books=found.books))


def _approved(run: Run, planned: PlannedMigration) -> Routine[PlannedMigration]:
    """Whether the plan still holds comes before what the policy says to it: else it is told to run a stale one."""
    if run.approved is None or obstacle(planned) is not None:
        return planned
    planned = yield from as_approved(planned)
    require_approved(run.approved, planned)
    return planned


def _settled(run: Run, planned: PlannedMigration, seen: Warm) -> Routine[bool]:
    """Whether there is nothing to be done under the lease. Raises what the gate raises."""
    if stand_alone(planned, run.policy):
        return False  # they are carried out first, and then it raises
    found = planned.inspection
    if (found.stopped_views or found.kept_views or found.unwritten) and run.policy.level != "check":
        return False
    verdict = gate(planned, run.policy)
    if run.policy.level == "check":
        return True
    entry = seen.entry
    if verdict.run or not is_recorded(planned, seen.digest) or entry is None or not _kept(entry, planned, seen.at):
        return False
    written = (entry.version, entry.objects, entry.migrations, entry.whole)
    if written == (run.schema.version, seen.digest, seen.migrations, True):
        # What a process left that died while it planned, without the lease: whoever sees it takes it away, under the
        # lease. The one query of a start that finds nothing changed does not ask: it would cost each start a third.
        database, table = yield from abandoned(planned.inspection.owned.scratch)
        home = planned.inspection.books.home
        if database and (yield from may_clear(home, database)):
            return False
        # Tables are those of a user who may not create databases.
        return not table or not (yield from may_write(home))
    # A run was killed between the record and the cache, or another release wrote that, or migrations were written in
    # other words. Until that is written again each start takes this long look,
    # which is all that a user who cannot write it needs.
    return not (yield from may_write(planned.inspection.books.home))


def _only_look(run: Run, found: Inspection, started: float) -> Routine[Report]:
    """Where there is more than one replica, nothing is changed: not the tables, and not what is written down here of a
    migration."""
    words = unsupported(found.catalog, run.policy.allowed, found.topology)
    if found.unfinished_rollback is not None or found.owned.unfinished:
        raise refusal(found.schema.name, words, ("a migration was begun and is not finished",))
    if found.ahead or found.overtaken:
        return newer(found, (yield from clock()) - started)
    planned = yield from make_plan(found, max_read_bytes=0, clones=False)
    yield Emit(compared(planned))
    if planned.plan.required:
        raise refusal(found.schema.name, words, planned.plan.differences([item.name for item in found.schema.objects]))
    verdict = gate(planned, run.policy)
    if verdict.run:
        raise refusal(found.schema.name, words, tuple(f"{step.object}: {step.change}" for step in verdict.run))
    return report_of(planned.plan, verdict, (yield from clock()) - started)


def _kept(entry: CacheEntry, planned: PlannedMigration, at: int) -> bool:
    """False also where a kept table has expired: it is dropped under the lease. So is the mark of a transition that has
    ended."""
    return (
        entry.running is None
        and entry.spec == planned.inspection.schema.fingerprint
        and (entry.due is None or at < entry.due)
    )
