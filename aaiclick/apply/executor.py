"""Carrying out the steps of a plan, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from typing_extensions import assert_never

from aaiclick.apply.alter import apply_alter
from aaiclick.apply.backfill.backfill import apply_backfill
from aaiclick.apply.collection import apply_collection, without_values
from aaiclick.apply.create import apply_create
from aaiclick.apply.drop import apply_drop
from aaiclick.apply.rebuild.attach import apply_attach
from aaiclick.apply.rebuild.rebuild import apply_rebuild
from aaiclick.apply.rebuild.resume import keep_wanted
from aaiclick.apply.replace import apply_replace
from aaiclick.apply.run import (
    ApplyOptions,
    Done,
    Site,
    StepOutcome,
    on_all_hosts,
    require_known_readers,
    told_of_readers,
    told_of_same_rows,
)
from aaiclick.apply.script import apply_sql
from aaiclick.catalog.forms import LiveObject
from aaiclick.clickhouse.merges import start_merges_of
from aaiclick.clickhouse.shared.bookkeeping import KEEPER_ADVICE, WITHOUT_KEEPER
from aaiclick.clickhouse.statements import system_merges
from aaiclick.clickhouse.tables import Physical, physicals
from aaiclick.clock import clock
from aaiclick.error_codes import TABLE_ALREADY_EXISTS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.events import StepDone, StepStarted
from aaiclick.plan.model import Step
from aaiclick.plan.operations import (
    AlterWork,
    AttachWork,
    BackfillWork,
    CallableWork,
    CollectionWork,
    CreateWork,
    DropWork,
    RebuildWork,
    ReplaceWork,
    SqlWork,
    Work,
)
from aaiclick.routine import Emit, Routine
from aaiclick.sql.ddl import is_rename
from aaiclick.sql.quoting import quote_name
from aaiclick.state.entries.step_entries import enter_begun, enter_done, enter_ttl_stops, freed_by_copy

__all__ = ["ApplyOptions", "StepOutcome", "apply_steps", "apply_work"]


def apply_steps(
    plan_steps: Sequence[Step], database: str, nonce: str, options: ApplyOptions | None = None
) -> Routine[tuple[StepOutcome, ...]]:
    """Carry out all of them in order; what was done, step by step.

    Rows that a TTL is about to take are saved first of all: TTL merges of every table that a rebuild frees from its TTL
    are stopped before the first step. An error stops the run: ApplyError (VerificationError ...) with the step and what
    is done already; a lost connection raises OutcomeUnknownError or ConnectionFailed as it came.
    """
    chosen = options if options is not None else ApplyOptions()
    # Copies of a killed run that this plan does not continue are undone first: they keep merges and mutations of their
    # tables from going on.
    yield from _keep_wanted(plan_steps, database, chosen)
    yield from _sent_first(plan_steps, Site(database, nonce, chosen))
    # Replicas would go on assigning such merges, and the log of the table would wait for them.
    saved = sorted({table for step in plan_steps if chosen.reach is None and (table := freed_by_copy(step))})
    freed = {step.work.table for step in plan_steps if isinstance(step.work, AlterWork) and step.work.frees_ttl}
    # SYSTEM takes a name, but stops a storage, and a step may exchange what has the name: START needs the UUIDs of now.
    stopped = yield from physicals(database, sorted({*saved, *freed}))
    # A rebuild frees its table from the TTL only at its exchange: until then no merge may delete rows by the old TTL.
    if saved and chosen.entries is not None:
        uuids = {table: stopped[table].uuid if table in stopped else "" for table in saved}
        try:
            chosen = replace(chosen, entries=(yield from enter_ttl_stops(chosen.entries, uuids)))
        except OutcomeUnknownError:
            raise
        except (StatementError, ApplyError) as error:
            raise _named(error, plan_steps[0], (), chosen.reach is not None) from error
    for table in saved:
        yield from system_merges(database, table, "STOP TTL MERGES")
    outcomes: list[StepOutcome] = []
    for index, planned in enumerate(plan_steps, 1):
        step = planned
        begun = yield from clock()
        yield Emit(StepStarted(index, len(plan_steps), step.object, step.change, step.strategy, step.rows))
        try:
            # Before the first effect: whatever a kill leaves of the step, the journal says that it had begun. Its end
            # is entered when all is done: a kill in between makes the next run look once more.
            if chosen.entries is not None:
                step = yield from enter_begun(chosen.entries, step)
            done = yield from _renaming(step.work, Site(database, nonce, _for_step(chosen, step)))
            # It was looked at before this step, and what this one has done may be of matter to the next.
            chosen = replace(chosen, looked=None, planned=_not_changed(chosen, step))
            seconds = (yield from clock()) - begun
            if chosen.entries is not None:
                yield from enter_done(chosen.entries, step)
        # The statement may still run, so merges by TTL stay stopped until the next run has looked.
        except OutcomeUnknownError as error:
            if chosen.collections:
                # Without the chain of causes: the errors below it still quote the statement with its values.
                raise without_values(error, chosen.collections) from None
            raise
        except (StatementError, ApplyError) as error:
            for table in sorted({*saved, *freed}):
                yield from on_all_hosts(_start_ttl(database, table, stopped.get(table)), chosen.reach)
            told = without_values(error, chosen.collections)
            raise _named(told, step, outcomes, chosen.reach is not None) from told
        yield Emit(StepDone(index, len(plan_steps), step.object, step.strategy, done.rows, seconds))
        outcomes.append(StepOutcome(step.id, step.object, step.strategy, done.rows, seconds, done.kept, done.notes))
    return tuple(outcomes)


def _for_step(options: ApplyOptions, step: Step) -> ApplyOptions:
    left = any(hazard.allow.startswith("leave-detached-parts ") for hazard in step.hazards)
    return replace(options, leave_detached=left)


def _not_changed(options: ApplyOptions, step: Step) -> dict[str, LiveObject]:
    """What is still as the plan found it behind a step."""
    if step.work.kind in ("sql", "callable"):
        return {}
    about = {step.object, getattr(step.work, "table", "")}
    return {name: live for name, live in options.planned.items() if name not in about}


def _renaming(work: Work, site: Site) -> Routine[Done]:
    """Carry out work; where it renames a table or view, only while nothing names that which the plan does not know."""
    statements = work.statements if isinstance(work, ReplaceWork | BackfillWork) else ()
    renames = [sql for sql in statements if is_rename(sql)]
    if not renames:
        return (yield from _carried_out(work, site))
    from aaiclick.sql.cluster import head_of

    named = [(head.names[0][-1], sql) for sql in renames if (head := head_of(sql)) is not None]
    for name, sql in named:
        yield from require_known_readers(site.options, name, sql)
    done = yield from _carried_out(work, site)
    notes: tuple[str, ...] = ()
    for name, sql in named:
        notes += yield from told_of_readers(site.options, name, sql)
    return replace(done, notes=(*done.notes, *notes))


def _carried_out(work: Work, site: Site) -> Routine[Done]:
    """Copies are seen to on each host by itself; everything else is sent to all of them, as it is sent to one."""
    reach = site.options.reach
    if reach is None:
        return (yield from apply_work(work, site))
    from aaiclick.apply.replicated.distributed_queues import flush_before

    # Before anything of the step: rows that wait in files with a column that the step takes away could never be sent.
    yield from flush_before(work, site, reach)
    match work:
        case RebuildWork():
            from aaiclick.apply.replicated.rebuild import rebuild_on_replicas

            return (yield from rebuild_on_replicas(work, site))
        case AttachWork():
            from aaiclick.apply.replicated.attach import attach_on_replicas

            return (yield from attach_on_replicas(work, site))
        case BackfillWork():
            from aaiclick.apply.backfill.on_replicas import backfill_on_replicas

            return (yield from backfill_on_replicas(work, site))
        case SqlWork() if site.options.runner is not None:
            from aaiclick.apply.spread_script import spread_script

            # Definitions among them go to every host, what changes rows goes to one: neither way does for both.
            yield from spread_script(site.options.runner(work), work.statements, site.database, reach)
            return Done()
        case CallableWork():
            from aaiclick.apply.spread_script import spread_function

            yield from spread_function(_called(work, site.options), site.database, reach)
            return Done()
        case _:
            return (yield from on_all_hosts(apply_work(work, site), reach))


def _sent_first(steps: Sequence[Step], site: Site) -> Routine[None]:
    """What waits in front of tables that a later step takes columns from is sent before the first one changes a
    Distributed table: where a host cannot send it, nothing is changed yet. The first step sees to that itself."""
    reach = site.options.reach
    if reach is None or len(steps) == 1:
        return
    from aaiclick.apply.replicated.distributed_queues import flush_now

    for step in steps[1:]:
        try:
            yield from flush_now(step.work, site, reach)
        except OutcomeUnknownError:
            raise
        except (StatementError, ApplyError) as error:
            raise _named(error, step, (), on_hosts=True) from error


def _keep_wanted(steps: Sequence[Step], database: str, options: ApplyOptions) -> Routine[None]:
    if options.reach is None:
        yield from keep_wanted(steps, database, options)
        return
    from aaiclick.apply.replicated.resume import keep_wanted_everywhere

    yield from keep_wanted_everywhere(steps, database, options)


def apply_work(work: Work, site: Site) -> Routine[Done]:
    """Carry out one piece of work. Errors as they come."""
    database, options = site.database, site.options
    match work:
        case CreateWork() | ReplaceWork() | DropWork() | CollectionWork():
            return (yield from _sent(work, site))
        case AlterWork():
            return (
                yield from (
                    _free_ttl(work, database, options) if work.frees_ttl else apply_alter(work, database, options)
                )
            )
        case AttachWork():
            return (yield from apply_attach(work, site))
        case RebuildWork():
            return (yield from apply_rebuild(work, site))
        case BackfillWork():
            return (yield from apply_backfill(work, site))
        case SqlWork() if options.runner is not None:
            yield from options.runner(work)
            return Done()
        case SqlWork():
            return (yield from apply_sql(work, database))
        case CallableWork():
            yield from _called(work, options)
            return Done()
        case _:
            assert_never(work)


def _called(work: CallableWork, options: ApplyOptions) -> Routine[None]:
    """Call the function of a migration. Raises ApplyError where nothing can."""
    if options.runner is None:
        raise ApplyError(
            f"migration {work.migration} moves data with a function, and this call has nothing to run it with"
        )
    yield from options.runner(work)


def _sent(work: CreateWork | ReplaceWork | DropWork | CollectionWork, site: Site) -> Routine[Done]:
    """What is done by its statements alone."""
    match work:
        case CreateWork():
            done = yield from apply_create(work, site.database)
            return replace(done, notes=(yield from told_of_same_rows(site.options, (work.sql,))))
        case ReplaceWork():
            return (yield from apply_replace(work, site.database))
        case DropWork():
            return (yield from apply_drop(work, site.database))
        case CollectionWork():
            return (yield from apply_collection(work, site.options.collections))


def _free_ttl(work: AlterWork, database: str, options: ApplyOptions) -> Routine[Done]:
    """Merges that read the old TTL before the ALTER are cancelled; those that begin after it know the new one."""
    yield from system_merges(database, work.table, "STOP TTL MERGES")
    # Where this fails, ``apply_steps`` starts the TTL merges again.
    done = yield from apply_alter(work, database, options)
    yield from system_merges(database, work.table, "START TTL MERGES")
    return done


def _start_ttl(database: str, table: str, stopped: Physical | None) -> Routine[None]:
    # The first error is what counts; merges of a table that is gone or out of reach need no start.
    with suppress(StatementError):
        yield from start_merges_of(database, table, stopped.uuid if stopped is not None else "")


def _named(
    error: StatementError | ApplyError, step: Step, outcomes: Sequence[StepOutcome], on_hosts: bool
) -> ApplyError:
    """The error with the step it belongs to; its kind stays. ``on_hosts``: it was carried out on a cluster."""
    done = (
        f" Done before: {', '.join(outcome.step for outcome in outcomes)}. The next run goes on from there."
        if outcomes
        else ""
    )
    advice = _advice(error, step, on_hosts)
    kind = type(error) if isinstance(error, ApplyError) else ApplyError
    return kind(f"step {step.id} ({step.object}: {step.change}): {str(error).rstrip('.')}.{advice}{done}")


def _advice(error: StatementError | ApplyError, step: Step, on_hosts: bool) -> str:
    """What can be done about what no look at the catalogue shows: a detached table is in none of its lists of tables
    that are there, nor are files that the embedded engine shows as tables. Nor does the catalogue of a host show what
    it could not ask of Keeper."""
    if on_hosts and isinstance(error, StatementError) and error.code in WITHOUT_KEEPER:
        return f" {KEEPER_ADVICE}."
    if not isinstance(error, StatementError) or error.code != TABLE_ALREADY_EXISTS:
        return ""
    if "(detached" in str(error):
        return f" Somebody has detached it. It comes back with its rows by: ATTACH TABLE {quote_name(step.object)}"
    if step.strategy == "create":
        return (
            " Somebody has just created it, or it is a file: the database default of the embedded engine takes each "
            "file of the working directory for a table of its name. Move the file, or name another database"
        )
    return ""
