"""``ensure``: warm look, survey, plan, gate, and under the lease: apply, look again, record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial

from aaiclick.apply.backfill.backfill import finish_feeds
from aaiclick.apply.interrupted import let_go
from aaiclick.apply.rebuild.resume import abandon, abandon_quietly
from aaiclick.apply.recovery import clean_leftovers
from aaiclick.apply.run import ApplyOptions
from aaiclick.apply.running_mutations import reattach
from aaiclick.catalog.forms import Form
from aaiclick.catalog.functions import sweep_stand_ins
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.scratch import next_stale, sweep_stale_scratch
from aaiclick.commands.execute import Site, carry_out
from aaiclick.commands.fresh_database import untouched
from aaiclick.commands.inspect import Survey, Surveyed, dump_forms, live_digest, make_plan, residual, spec_differences, survey, warm
from aaiclick.commands.overtaken import coming_back, newer, running_beside
from aaiclick.commands.report import Report
from aaiclick.commands.settle import settle_back
from aaiclick.diff.hazards import WITHOUT_OBJECT
from aaiclick.errors import (
    BlockedError,
    DriftRemainsError,
    ForeignTableError,
    LeaseLostError,
    SchemaVersionError,
    SpecChangedError,
    UnknownConversionError,
    UnrecognisedSchemaError,
    UnsupportedObjectError,
)
from aaiclick.lease.acquire import LEASE_SECONDS, acquire, guarded, release
from aaiclick.lease.lock import former_holders
from aaiclick.lease.owner import Owner
from aaiclick.lease.tombstones import last_grave, own_grave
from aaiclick.plan.foreign_objects import changed, touched
from aaiclick.plan.gate import Verdict, judge
from aaiclick.plan.model import Plan
from aaiclick.plan.planner import basis_of
from aaiclick.plan.policy import Policy
from aaiclick.plan.replicas import refusal, several
from aaiclick.plan.steps import UNREADABLE
from aaiclick.routine import Clock, Interruption, Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.backfill_mark import find_feeds
from aaiclick.state.block_numbers import forget_numbered
from aaiclick.state.cache import CacheEntry, update_cache, write_cache
from aaiclick.state.kept_tables import drop_expired, next_expiry
from aaiclick.state.ledger import carry_over, enter_done
from aaiclick.state.owned import Overview, overview
from aaiclick.state.rebuild_mark import find_marks
from aaiclick.state.records import Record, append, ensure_tables
from aaiclick.versions.conversions import unproven


@dataclass(frozen=True, slots=True)
class Run:
    """What one call of ``ensure_schema`` was given."""

    schema: Schema
    database: str | None
    policy: Policy
    owner: Owner
    embedded: bool
    library: str


def ensure(run: Run) -> Routine[Report]:
    """Bring the database to the declared version, or raise the one sentence that says why not."""
    started = yield from _now()
    seen = yield from warm(run.schema, run.database)
    if seen.in_sync and not _asks_for_more(run.policy):
        ended = yield from _now()
        version = run.schema.version
        return Report(run.schema.name, seen.database, version, version, (), (), (), (), True, ended - started)
    if seen.overtaken and seen.entry is not None and seen.entry.passing is not None:
        ended = yield from _now()
        return running_beside(run.schema.name, seen.database, seen.entry.version, run.schema.version, seen.entry.passing.to, ended - started)
    fresh = (yield from untouched(run.schema, run.database, seen)) if run.policy.level != "check" else None
    if fresh is not None:
        return (yield from _under_lease(run, fresh.database, None, started, fresh.names))
    found = yield from survey(run.schema, run.database, run.policy.allowed)
    database = found.catalog.database
    if run.policy.level != "check" and several(found.catalog, run.policy.allowed):
        return (yield from _only_look(run, found, started))
    if run.policy.level != "check" and (found.ledger.doubtful or (yield from find_marks(database)) or (yield from find_feeds(database))):
        # Somebody is at work, or was killed. Whatever may be done here now, writers that a dead run locked out are let in again first, and
        # no plan is made of tables that are neither what they were nor what they will be. A statement that was begun may be under way: whether
        # anybody has to be asked about it shows when its run has ended.
        return (yield from _under_lease(run, database, None, started))
    if found.going_back is not None:
        if run.policy.level == "check":
            raise coming_back(found, found.going_back)
        return (yield from _under_lease(run, database, None, started))
    if found.ahead or found.overtaken:
        return newer(found, (yield from _now()) - started)
    # What has to be looked at in the rows is looked at once, under the lease, by one of many starts.
    planned = yield from make_plan(found, looks=0, clones=run.policy.looks)
    verdict = gate(planned, run.policy)
    if not verdict.run and _recorded(planned, seen.digest) and _cached(seen.entry, planned, seen.at):
        return _report(planned.plan, verdict, (yield from _now()) - started)
    if run.policy.level == "check":
        return _report(planned.plan, verdict, (yield from _now()) - started)
    return (yield from _under_lease(run, database, planned, started))


def _only_look(run: Run, found: Survey, started: float) -> Routine[Report]:
    """Where there is more than one replica, nothing is changed: not the tables, and not what is written down here of a migration."""
    database, words = found.catalog.database, several(found.catalog, run.policy.allowed)
    if found.going_back is not None or (yield from find_marks(database)) or (yield from find_feeds(database)):
        raise refusal(found.schema.name, words, ("a migration was begun and is not finished",))
    if found.ahead or found.overtaken:
        return newer(found, (yield from _now()) - started)
    planned = yield from make_plan(found, looks=0, clones=False)
    if planned.plan.required:
        raise refusal(found.schema.name, words, planned.plan.differences([item.name for item in found.schema.objects]))
    verdict = gate(planned, run.policy)
    if verdict.run:
        raise refusal(found.schema.name, words, tuple(f"{step.object}: {step.change}" for step in verdict.run))
    return _report(planned.plan, verdict, (yield from _now()) - started)


def _asks_for_more(policy: Policy) -> bool:
    """Optional steps may be wanted, of which the warm look knows nothing: what is no longer declared is no difference."""
    return bool(policy.allowed - WITHOUT_OBJECT) or policy.level == "everything"


def _recorded(planned: Surveyed, digest: str) -> bool:
    record = planned.survey.record
    return record is not None and record.version == planned.survey.schema.version and record.objects == digest


def _cached(entry: CacheEntry | None, planned: Surveyed, at: int) -> bool:
    """False also where a kept table has expired: it is dropped under the lease. So is the mark of a transition that has ended."""
    return entry is not None and entry.passing is None and entry.spec == planned.survey.schema.fingerprint and (entry.due is None or at < entry.due)


def gate(planned: Surveyed, policy: Policy) -> Verdict:
    """What may run; raises where something that is required may not."""
    found, plan = planned.survey, planned.plan
    schema = found.schema
    if found.same_version and found.record is not None and found.record.spec != schema.fingerprint:
        words = spec_differences(found, planned.forms)
        if words:
            raise SpecChangedError(schema.name, schema.version or 0, words)
    if found.live.recognition is not None and found.live.number is None:
        recognition = found.live.recognition
        unmatched = tuple(f"{name}: {', '.join(words)}" for name, words in sorted(recognition.unmatched.items()))
        raise UnrecognisedSchemaError(schema.name, unmatched, recognition.nearest)
    if found.live.origin == "unrecorded" and found.released.scripts and plan.required:
        words = plan.differences([item.name for item in schema.objects])
        raise UnrecognisedSchemaError(schema.name, ("there are migrations, and nothing says which of them were applied", *words), None)
    for step in plan.required:
        if step.id.endswith(UNREADABLE):
            raise UnsupportedObjectError(step.object, f"{step.blocked}. It is declared, so nothing is done and no version is recorded until it can be")
    foreign = changed(plan, schema, found.owners)
    if foreign:
        words = tuple(words for step in plan.required if touched(step, schema) & foreign for words in step.differences)
        raise ForeignTableError(schema.name, tuple((name, found.owners[name].label) for name in sorted(foreign)), words)
    doubt = unproven(found.catalog, found.released, found.live)
    if doubt.stops:
        raise UnknownConversionError(schema.name, found.live.number, doubt.before, doubt.stops)
    verdict = judge(plan, policy)
    if verdict.refused:
        keys = tuple(dict.fromkeys(key for refusal in verdict.refused for key in refusal.allow))
        command = " ".join(["aaiclick migrate", *(f"--allow '{key}'" for key in keys)])
        words = plan.differences([item.name for item in schema.objects])
        raise SchemaVersionError(schema.name, found.live.label, schema.version_label, words, command)
    blocked = tuple(step.blocked for step in verdict.run if step.blocked)
    if blocked:
        raise BlockedError(schema.name, tuple(f"{step.object}: {step.blocked}" for step in verdict.run if step.blocked))
    return verdict


def _under_lease(run: Run, database: str, planned: Surveyed | None, started: float, absent: tuple[str, ...] = ()) -> Routine[Report]:
    """``absent``: names under which nothing was there before the lease."""

    def still_needed() -> Routine[bool]:
        seen = yield from warm(run.schema, database)
        return not seen.in_sync or _asks_for_more(run.policy)

    lease = yield from acquire(database, run.owner, still_needed=still_needed, embedded=run.embedded)
    if lease is None:
        notes = planned.plan.notes if planned is not None else ()
        ended = yield from _now()
        return Report(run.schema.name, database, run.schema.version, run.schema.version, (), (), (), notes, True, ended - started)
    try:
        report = yield from guarded(_apply(run, database, planned, lease.nonce, started, absent), lease)
    except LeaseLostError:
        raise
    except Interruption:
        yield from let_go(lease)
        raise
    except Exception:
        yield from release(lease)
        raise
    yield from release(lease)
    return report


def _allowed_tables(policy: Policy, key: str) -> frozenset[str]:
    """The tables for which ``<key> <table>`` is allowed."""
    return frozenset(each.removeprefix(f"{key} ") for each in policy.allowed if each.startswith(f"{key} "))


def _ended(database: str, own: str, holders: Collection[str]) -> Routine[frozenset[str]]:
    """Whoever has the lease has waited for the end of all former holders."""
    return (yield from former_holders(database, [nonce for nonce in holders if nonce != own]))


def _apply(run: Run, database: str, planned: Surveyed | None, nonce: str, started: float, absent: tuple[str, ...]) -> Routine[Report]:
    """Under the lease: what was planned before is only carried out if nobody changed anything in between."""
    options = ApplyOptions(
        keep_old_seconds=int(run.policy.keep_old.total_seconds()),
        writers_stopped=_allowed_tables(run.policy, "writers-stopped"),
        closed=_allowed_tables(run.policy, "keep-writers-out"),
        reapplied=_allowed_tables(run.policy, "reapply-deletes"),
        patient=_allowed_tables(run.policy, "wait-for-deletes"),
    )
    ours = yield from overview(database, absent)
    if ours.remains:
        # First of all what a killed run left: until then the tables look neither like before nor like after.
        done = yield from clean_leftovers(database, options, resume=True)
        options = replace(options, waiting=frozenset(each.object for each in done if each.action == "waiting"))
    try:
        return (yield from _plan_and_carry_out(run, database, planned, nonce, started, options, ours, empty=bool(absent) and not ours.known))
    except Exception:
        yield from abandon_quietly(database, options)
        raise


def _clear_away(run: Run, database: str, nonce: str, options: ApplyOptions, ours: Overview) -> Routine[None]:
    """What earlier runs left beside the copies of tables."""
    if ours.remains:
        yield from finish_feeds(database, options)
        yield from sweep_stale_scratch(database, embedded=run.embedded, ended=partial(_ended, database, nonce))
        yield from drop_expired(database)
    elif ours.journal:
        # No table is kept: what a new one had for the sake of one goes.
        yield from forget_numbered(database, ())


def _plan_and_carry_out(
    run: Run, database: str, planned: Surveyed | None, nonce: str, started: float, options: ApplyOptions, ours: Overview, *, empty: bool
) -> Routine[Report]:
    """The rest, with what may wait of a killed copy (``options.waiting``): gone on with, or undone."""
    yield from _clear_away(run, database, nonce, options, ours)
    if run.schema.functions:
        yield from sweep_stand_ins()
    found = yield from survey(run.schema, database, run.policy.allowed, recorded=ours.recorded, empty=empty)
    if found.going_back is not None:
        yield from settle_back(found, found.going_back, str(run.owner))
        found = yield from survey(run.schema, database, run.policy.allowed, recorded=ours.recorded)
    if many := several(found.catalog, run.policy.allowed):
        # They came after the look before the lease.
        raise refusal(run.schema.name, many, ())
    if found.ahead or found.overtaken:
        yield from abandon(database, options)
        return newer(found, (yield from _now()) - started)
    yield from carry_over(found.account, found.entries, found.live.number or 0)
    yield from enter_done(found.account, found.entries, found.ledger.done)
    looks = looked_at(run.policy)
    if planned is None or basis_of(found.catalog) != planned.plan.basis or _differs(found, planned.survey) or _unlooked(planned.plan, run.policy):
        planned = yield from make_plan(found, looks, run.policy.looks)
    site = Site(database, nonce, options, str(run.owner), run.library, run.policy.allowed, looks)
    carried = yield from carry_out(planned, lambda each: gate(each, run.policy), site)
    yield from abandon(database, options)
    planned = replace(carried.first, plan=replace(carried.first.plan, notes=carried.last.plan.notes))
    verdict, outcomes = carried.verdict, carried.outcomes
    catalog = yield from read_catalog(database, tuple(sorted(found.catalog.objects.keys() | {item.name for item in run.schema.objects})))
    left, forms = residual(run.schema, catalog, carried.last.forms)
    if left:
        raise DriftRemainsError(run.schema.name, left)
    digest = yield from live_digest(run.schema, catalog)
    if found.catalog.objects:
        # An ALTER of a run that was killed shows in the definitions at once, and in the data when its mutation has ended.
        yield from reattach(database, {table.name for table in run.schema.tables}, options)
    if not ours.recorded:
        yield from ensure_tables(database)
    seconds = (yield from _now()) - started
    if verdict.run or not _recorded(planned, digest):
        before = carried.last.survey.record
        yield from append(database, _record(run, planned, verdict, forms, digest, seconds), before.seq if before is not None else 0)
    oldest = found.released.oldest_code(run.schema.version)
    due = yield from _due(database, ours, any(outcome.kept for outcome in outcomes), nonce, (yield from _now()) - started)
    entry = CacheEntry(run.schema.version, run.schema.fingerprint, digest, oldest, due)
    if ours.recorded:
        yield from update_cache(database, run.schema.name, entry)
    else:
        # The table was made under this lease, and the comment is written only under one: no other schema has an entry yet.
        yield from write_cache(database, {run.schema.name: entry})
    said = tuple(note for outcome in outcomes for note in outcome.notes)
    report = _report(planned.plan, verdict, (yield from _now()) - started)
    return replace(report, notes=(*report.notes, *said))


def _due(database: str, ours: Overview, kept: bool, nonce: str, seconds: float) -> Routine[int | None]:
    """When a start has something to take away: a kept table, the lock of a holder that was taken over or (``seconds``: how long this run took) that
    was late itself, or a scratch database that a killed run left."""
    expiry = (yield from next_expiry(database)) if ours.remains or kept else None
    grave = (yield from last_grave(database, LEASE_SECONDS)) if ours.graves else None
    own = None if 0 <= seconds < LEASE_SECONDS else (yield from own_grave(database, nonce))
    stale = (yield from next_stale(database)) if ours.recorded else None
    return min((at for at in (expiry, grave, own, stale) if at is not None), default=None)


def looked_at(policy: Policy) -> int | None:
    """How many bytes of a table's columns may be read to see what would become of them."""
    return 0 if policy.level in ("check", "safe") else policy.max_bytes


def _unlooked(plan: Plan, policy: Policy) -> bool:
    """Whether the plan that was made before the lease left something out: a look at rows, or a trial on a clone with parts of the table."""
    return any(step.unlooked or (policy.looks and step.work.kind in ("alter", "attach", "rebuild")) for step in plan.steps)


def _differs(found: Survey, before: Survey) -> bool:
    return found.record != before.record or found.ledger != before.ledger


def _record(run: Run, planned: Surveyed, verdict: Verdict, forms: Mapping[str, Form], digest: str, seconds: float) -> Record:
    found = planned.survey
    adopted = not verdict.run and found.record is None
    return Record(
        schema=run.schema.name,
        version=run.schema.version,
        state="adopted" if adopted else "applied",
        spec=run.schema.fingerprint,
        objects=digest,
        forms=dump_forms(forms),
        plan=planned.plan.to_json() if verdict.run else "",
        who=str(run.owner),
        seconds=seconds,
        library=run.library,
        from_version=found.live.number,
        migrations=found.released.checksums(run.schema.version),
        oldest_code=found.released.oldest_code(run.schema.version),
    )


def _report(plan: Plan, verdict: Verdict, seconds: float) -> Report:
    return Report(
        schema=plan.schema,
        database=plan.database,
        from_version=plan.from_version,
        to_version=plan.to_version,
        steps=verdict.run,
        pending=tuple(refusal.step for refusal in verdict.pending),
        reasons=tuple(refusal.reason for refusal in verdict.pending),
        notes=tuple(note for note in plan.notes if not _is_pending(note, verdict)),
        in_sync=True,
        duration=seconds,
    )


def _is_pending(note: str, verdict: Verdict) -> bool:
    """A surplus column is a pending step (or was just dropped), and need not be said twice."""
    said = [refusal.step for refusal in verdict.pending] + list(verdict.run)
    return any(note == f"{step.object}: {step.change} (left alone)" for step in said)


def _now() -> Routine[float]:
    rows = yield Clock()
    return float(rows[0][0] or 0)
