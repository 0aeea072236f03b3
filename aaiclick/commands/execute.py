"""Carries a plan out under the lease: in one go, or up to each explicit part of a migration, after which the rest is
planned anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aaiclick.apply.executor import apply_steps
from aaiclick.apply.run import ApplyOptions, StepOutcome, on_all_hosts
from aaiclick.clickhouse.tables import EXCHANGING
from aaiclick.commands.approval.approved import as_approved, enter_approval
from aaiclick.commands.inspection.digests import live_digest
from aaiclick.commands.inspection.inspect import Inspection, inspect_database
from aaiclick.commands.inspection.planning import PlannedMigration, filled_by_pending, make_plan
from aaiclick.commands.inspection.recorded_forms import dump_forms
from aaiclick.errors import ApplyError, BlockedError, SchemaVersionError, StalePlanError
from aaiclick.events import PlanReady
from aaiclick.plan.gate import GateDecision
from aaiclick.plan.model import Plan, Step
from aaiclick.relay import placed
from aaiclick.routine import Emit, Routine
from aaiclick.state.cache import write_cache
from aaiclick.state.entries.remade_views import keep_again, stop_again, stopped_by, undeclared_of
from aaiclick.state.entries.step_entries import StepEntries, changes_ttl
from aaiclick.state.entries.stopped import undo_ttl_changes
from aaiclick.state.progress import conversions
from aaiclick.state.record import Record
from aaiclick.state.records import append, ensure_tables
from aaiclick.state.transition import TransitionStart, UnfinishedMigration
from aaiclick.versions.live_version import scripts_between

if TYPE_CHECKING:
    from aaiclick.clickhouse.every_host import Reach
    from aaiclick.plan.operations import CallableWork, SqlWork

Gate = Callable[[PlannedMigration], GateDecision]


@dataclass(frozen=True, slots=True)
class Executed:
    """``first`` is the plan at the beginning, ``last`` the one that led to the end. ``verdict`` lists all steps that
    were done."""

    first: PlannedMigration
    last: PlannedMigration
    verdict: GateDecision
    outcomes: tuple[StepOutcome, ...]

    @property
    def plan(self) -> Plan:
        """What was begun with, with what the end has to say."""
        return replace(self.first.plan, notes=self.last.plan.notes)


@dataclass(frozen=True, slots=True)
class Execution:
    """Where a plan is carried out, by whom, and what is allowed."""

    database: str
    """Name of the database."""
    nonce: str
    """Stands in the names of this run's scratch objects."""
    options: ApplyOptions
    """How the steps are carried out."""
    who: str
    """The owner, as it is recorded: user@host pid."""
    library: str
    """Version of aaiclick, as it is recorded."""
    allowed: frozenset[str]
    """What the policy allows by name."""
    max_read_bytes: int | None = None
    """Bytes of columns that may be read for each table before planning; None: any number."""
    approved: Plan | None = None
    """The approved plan that is carried out; None: there is none."""


def execute(planned: PlannedMigration, gate: Gate, site: Execution) -> Routine[Executed]:
    """Carry out every step that the gate lets through. Raises what the gate and the steps raise.

    Steps that are done are in the journal, and are not done again.
    """
    catalog = planned.inspection.catalog
    work = _execute(planned, gate, site)
    return (yield from placed(work, catalog.database, catalog.server.current_database))


def _execute(planned: PlannedMigration, gate: Gate, site: Execution) -> Routine[Executed]:
    first = planned
    # Judged before anything is entered: a refused run leaves nothing in the journal.
    verdict = gate(planned)
    if (
        verdict.run
        and planned.inspection.live.origin == "recognised"
        and scripts_between(first.inspection.schema, first.inspection.released, first.inspection.live)
    ):
        # A database that was recognised by its tables has no record. It gets one first: killed behind the first step
        # its tables would look like no version any more.
        planned = yield from _adopt(planned, site)
        verdict = gate(planned)
    yield from _before_first_step(planned.inspection, verdict, site)
    done: list[Step] = []
    outcomes: list[StepOutcome] = []
    while True:
        batch = _until_move(verdict.run)
        if batch:
            outcomes += yield from _apply_batch(planned, verdict, batch, site)
            done += batch
        if not any(_is_move(step) for step in batch):
            # Also views that this run has dropped in front of a statement or function, and made behind it.
            commented = keep_again(planned.inspection.scope, planned.inspection.kept_views)
            yield from on_all_hosts(commented, site.options.reach)
            return Executed(first, planned, GateDecision(tuple(done), (), verdict.pending), tuple(outcomes))
        # What a statement or function of a migration left behind nobody could foresee, so the rest is planned anew.
        moved = {step.id for step in batch if _is_move(step)}
        planned = yield from make_plan(
            (yield from inspect_database(first.inspection.schema, site.database, site.allowed)), site.max_read_bytes
        )
        if site.approved is not None:
            planned = yield from as_approved(planned)
        again = [step.id for step in planned.plan.steps if step.id in moved]
        # To go on would send it a second time.
        if again:
            raise ApplyError(
                f"{', '.join(again)} was carried out, but is planned again: its entry in the journal is gone"
            )
        verdict = _gate_again(gate, planned, tuple(step.id for step in done))


def _before_first_step(found: Inspection, verdict: GateDecision, site: Execution) -> Routine[None]:
    """Enter what was approved, and put right what a killed run has left stopped or unwritten."""
    if site.approved is not None and verdict.run:
        # Before the first step: whoever goes on after a kill finds what was agreed to.
        yield from enter_approval(found.scope, site.approved)
    # TTL merges that a dead run has stopped go on before the first step, unless this run changes that TTL itself.
    yield from _put_back(found, verdict, site.options.reach)
    # Before this run makes any of them anew: one that it does not make has to be stopped all the same.
    yield from stop_again(found.scope, found.stopped_views, verdict.run)
    if found.unwritten:
        from aaiclick.commands.hosts.unwritten import write_again

        yield from write_again(found, verdict.run, site.options)


def _apply_batch(
    planned: PlannedMigration, verdict: GateDecision, batch: tuple[Step, ...], site: Execution
) -> Routine[tuple[StepOutcome, ...]]:
    """Carry out the steps up to an explicit part of a migration, that one included."""
    yield Emit(PlanReady(planned.plan.schema, len(verdict.run), sum(step.rows for step in verdict.run)))
    found = planned.inspection
    known = conversions(found.entries, found.pending, found.progress)
    start, numbered = _transition_start(planned, batch, site), _numbered(found)
    stopped = stopped_by(verdict.run) | found.stopped_views
    # What a killed run has entered stays until this one is through.
    owed = found.kept_views.keys()
    kept = {view: said for view, said in undeclared_of(verdict.run, found.catalog).items() if view not in owed}
    divided = site.options.reach is not None
    filled, reached = _filled(planned), found.progress.reached
    entries = StepEntries(
        found.scope, batch, start, filled, known, numbered, stopped, kept, divided=divided, reached=reached
    )
    options = _options(site, planned, entries)
    # The version stays the same, so no entry of a transition would tell a later start that this run is not finished.
    if start is None and entries.first_not_additive is not None:
        yield from _doubt_cache(found, site.database)
    return (yield from apply_steps(batch, site.database, site.nonce, options))


def execute_stand_alone(planned: PlannedMigration, steps: tuple[Step, ...], site: Execution) -> Routine[None]:
    """Carry out steps that stand alone, where others of the plan are refused. No version is reached by that."""
    yield Emit(PlanReady(planned.plan.schema, len(steps), sum(step.rows for step in steps)))
    found = planned.inspection
    known = conversions(found.entries, found.pending, found.progress)
    divided = site.options.reach is not None
    filled, reached = _filled(planned), found.progress.reached
    entries = StepEntries(found.scope, steps, None, filled, known, _numbered(found), divided=divided, reached=reached)
    options = _options(site, planned, entries)
    yield from apply_steps(steps, site.database, site.nonce, options)


def _options(site: Execution, planned: PlannedMigration, entries: StepEntries) -> ApplyOptions:
    found, known = planned.inspection, planned.readers
    own = {step.object for step in planned.plan.steps}
    collections = {item.name: item for item in found.schema.named_collections}

    def runner(work: CallableWork | SqlWork) -> Routine[None]:
        from aaiclick.commands.script_runner import runner_for  # most plans have no statement and no function

        return runner_for(found, _numbered(found))(work)

    def readers(table: str) -> Routine[tuple[str, ...]]:
        from aaiclick.plan.dependents.read import new_readers  # most plans take no column away

        return new_readers(site.database, table, known or (), own, found.topology)

    def same_rows(view: str) -> Routine[tuple[str, ...]]:
        from aaiclick.plan.declaration.undeclared_outputs import also_written_by  # most plans make no such view

        return also_written_by(site.database, view)

    new = readers if known is not None else None
    chosen = replace(site.options, entries=entries, runner=runner, collections=collections, new_readers=new)
    return replace(chosen, planned=found.catalog.objects, same_rows=same_rows)


def _gate_again(gate: Gate, planned: PlannedMigration, done: tuple[str, ...]) -> GateDecision:
    """Rows that a statement or function could have put right are looked at now, so this gate may say what the first
    could not know."""
    try:
        return gate(planned)
    except BlockedError as error:
        raise BlockedError(error.schema, error.blocks, done) from error
    except StalePlanError as error:
        raise StalePlanError(error.schema, error.changes, done) from error
    except SchemaVersionError as error:
        raise SchemaVersionError(
            error.schema,
            error.live,
            error.expected,
            error.differences,
            error.next_command,
            done,
            error.refused,
            error.policy,
        ) from error


def _filled(planned: PlannedMigration) -> dict[str, list[int]]:
    """The versions still to be reached whose migrations fill a table by expressions.

    None as long as statements or functions are to come: the rows that they write have the form of an earlier version,
    and are converted after them.
    """
    if any(_is_move(step) for step in planned.plan.steps):
        return {}
    return filled_by_pending(planned.inspection)


def _doubt_cache(found: Inspection, database: str) -> Routine[None]:
    """Make the cache fit no tables until this run has recorded them.

    If the version stays the same and the run is killed after an exchange, the tables look as declared and a warm start
    would find nothing to do. With this, a later start inspects the database and finishes what is left.
    """
    cache, schema = found.owned.cache(), found.schema
    entry = cache.get(schema.name)
    if entry is not None and entry.objects and (entry.version, entry.spec) == (schema.version, schema.fingerprint):
        yield from write_cache(database, {**cache, schema.name: replace(entry, objects="")})


def _numbered(found: Inspection) -> bool:
    """A Replicated database refuses a CREATE that says which storage it makes."""
    return found.topology.single and found.catalog.database_engine in EXCHANGING


def _put_back(found: Inspection, verdict: GateDecision, reach: Reach | None) -> Routine[None]:
    """Undo what a dead run left of a change of a TTL, unless this run makes that change again."""
    again = {step.object for step in verdict.run if changes_ttl(step)}
    changed = {table: uuid for table, uuid in found.ttl_changes.items() if table not in again}
    yield from on_all_hosts(undo_ttl_changes(found.scope, changed), reach)


def _transition_start(planned: PlannedMigration, batch: tuple[Step, ...], site: Execution) -> TransitionStart | None:
    """What is entered in the journal before the first step that code of the older version cannot run beside.

    None where the version stays, and where no older code can know the database.
    """
    # Entered with the steps themselves: after a kill nobody can plan them again from tables that are half way.
    found, version = planned.inspection, planned.inspection.schema.version
    before = found.live.number
    if version is None or found.live.origin == "empty" or (before or 0) >= version:
        return None
    oldest = found.released.oldest_code(version)
    attempts = found.unfinished_migration.attempts if found.unfinished_migration is not None else ()
    number = sum(attempt.version == version for attempt in attempts)
    return TransitionStart(
        UnfinishedMigration(version, before, oldest, site.who, 0), number, replace(planned.plan, steps=batch).to_json()
    )


def _until_move(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps up to the first explicit part, which is the last of them."""
    place = next((place for place, step in enumerate(steps) if _is_move(step)), len(steps))
    return steps[: place + 1]


def _is_move(step: Step) -> bool:
    return step.work.kind in ("sql", "callable")


def _adopt(planned: PlannedMigration, site: Execution) -> Routine[PlannedMigration]:
    """Record the version of a database without a record before its tables change and no longer show it. The journal
    then counts from this record."""
    found = planned.inspection
    yield from ensure_tables(site.database)
    yield from append(
        site.database, (yield from adoption(found, site)), found.record.seq if found.record is not None else 0
    )
    # Inspected anew: the record that was just written begins another generation of the journal.
    again = yield from inspect_database(found.schema, site.database, site.allowed)
    planned = yield from make_plan(again, site.max_read_bytes)
    return planned if site.approved is None else (yield from as_approved(planned))


def adoption(found: Inspection, site: Execution) -> Routine[Record]:
    """The record of a version that was recognised."""
    digest = yield from live_digest(found.schema, found.catalog)
    number = found.live.number
    locked = found.released.lock.get(number) if found.released.lock is not None and number else None
    levels = {f"level {name}": str(level) for name, level in sorted(found.live.levels.items())}
    content: dict[str, str] = json.loads(found.released.checksums(number) or "{}")
    return Record(
        schema=found.schema.name,
        version=number,
        state="adopted",
        spec="",
        objects=digest,
        forms=dump_forms(locked.forms) if locked is not None else "",
        plan="",
        who=site.who,
        seconds=0.0,
        library=site.library,
        migrations=json.dumps(content | levels, separators=(",", ":")) if content or levels else "",
    )
