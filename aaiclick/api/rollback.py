"""``rollback_schema``: the way back to an earlier version, with the rows that came since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from aaiclick.api.client import Make, check_arguments, drive, drive_async, policy_for
from aaiclick.apply.backfill.backfill import finish_feeds
from aaiclick.apply.interrupted import let_go
from aaiclick.apply.recovery import clean_leftovers
from aaiclick.apply.rollback.restore import restore_table
from aaiclick.apply.run import ApplyOptions, Site
from aaiclick.catalog.read import read_catalog
from aaiclick.commands.inspect import live_digest, survey
from aaiclick.commands.report import Report
from aaiclick.commands.rollback_plan import Way, find_way
from aaiclick.commands.settle import returned
from aaiclick.errors import HazardNotAllowedError, LeaseLostError, SchemaError
from aaiclick.events import StepDone, StepStarted
from aaiclick.lease.acquire import acquire, guarded, release
from aaiclick.lease.owner import Owner, this_process
from aaiclick.plan.replicas import refusal, several
from aaiclick.routine import AsyncConnection, Clock, Connection, Emit, Interruption, OnEvent, Routine
from aaiclick.server.statements import drop_table
from aaiclick.server.tables import physicals
from aaiclick.specs.schema import Schema
from aaiclick.state.backfill_mark import find_feeds
from aaiclick.state.cache import CacheEntry, update_cache
from aaiclick.state.kept_tables import next_expiry
from aaiclick.state.rebuild_mark import Mark, find_marks
from aaiclick.state.records import append, ensure_tables
from aaiclick.state.transition import GoingBack, begin_back

SHORTEST = 3600
"""Seconds that the newer table is kept at least: a run that goes on after a kill knows by it what is done already."""


@dataclass(frozen=True, slots=True)
class Back:
    """What one call of ``rollback_schema`` was given."""

    schema: Schema
    database: str | None
    to: int | None
    allow: frozenset[str]
    dry_run: bool
    owner: Owner
    embedded: bool
    keep_seconds: int


def rollback_schema(
    client: object,
    schema: Schema,
    to: int | None = None,
    database: str | None = None,
    allow: Collection[str] = (),
    dry_run: bool = False,
    on_event: OnEvent | None = None,
    keep_old: timedelta | None = None,
) -> Report:
    """Go back to the version before, or to an older one, or say why that is not possible; nothing is changed then.

    Tables that a rebuild replaced come back as they were, from the old ones that were kept (``Policy(keep_old=...)``, one day by
    default), and the rows that came since are carried over. ``report.notes`` says what is not put back. ``to`` has to be a version
    that the database came through (the one before by default): however far back, each table is made anew once, and everything that is in the
    way is found before anything is done. ``allow`` takes the names that a refusal gives: ``"deletes <table>"`` (rows deleted or changed since are
    there again as they were), ``"values <table>"`` (values that the old columns cannot hold), ``"partial <schema>"`` (some objects
    stay as they are). ``dry_run`` only looks. ``keep_old``: how long the newer tables are kept in their turn
    (at least an hour; by default what ``AAICLICK_KEEP_OLD`` says, else a day).

    Deploy the code of the older version first: the newer one would migrate forward again at its next start.

    Raises ``SchemaError`` where there is no way back, ``HazardNotAllowedError`` where something has to be allowed, ``ApplyError`` where
    carrying it out failed (run again).
    """
    check_arguments("rollback_schema", schema)
    return drive(client, _make(schema, to, database, allow, dry_run, keep_old), "rollback_schema", on_event, schema=schema)


async def rollback_schema_async(
    client: object,
    schema: Schema,
    to: int | None = None,
    database: str | None = None,
    allow: Collection[str] = (),
    dry_run: bool = False,
    on_event: OnEvent | None = None,
    keep_old: timedelta | None = None,
) -> Report:
    """The async twin of ``rollback_schema``."""
    check_arguments("rollback_schema_async", schema)
    return await drive_async(client, _make(schema, to, database, allow, dry_run, keep_old), "rollback_schema_async", on_event, schema=schema)


def _make(schema: Schema, to: int | None, database: str | None, allow: Collection[str], dry_run: bool, keep_old: timedelta | None) -> Make[Report]:
    def make(connection: Connection | AsyncConnection) -> Routine[Report]:
        kept = keep_old if keep_old is not None else policy_for(None, connection.embedded).keep_old
        keep = int(kept.total_seconds())
        return rollback(Back(schema, database, to, frozenset(allow), dry_run, this_process(), connection.embedded, keep))

    return make


def rollback(back: Back) -> Routine[Report]:
    """Look, refuse or carry out."""
    started = yield from _now()
    found = yield from survey(back.schema, back.database)
    database = found.catalog.database
    if not back.dry_run and (words := several(found.catalog, back.allow)):
        raise refusal(back.schema.name, words, (), "aaiclick rollback" if back.to is None else f"aaiclick rollback --to {back.to}")
    # After a kill the tables are neither here nor there: they are put right first, under the lease.
    if back.dry_run or not ((yield from find_marks(database)) or (yield from find_feeds(database))):
        way = yield from find_way(found, back.to)
        if back.dry_run:
            return _report(way, (yield from _now()) - started, done=False)
        _require_allowed(back, way)
    lease = yield from acquire(database, back.owner, embedded=back.embedded)
    assert lease is not None
    try:
        report = yield from guarded(_carry_out(back, database, lease.nonce, started), lease)
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


def _require_allowed(back: Back, way: Way) -> None:
    blocked = [restore.blocked for restore in way.restores if restore.blocked]
    if blocked:
        raise SchemaError(f"{back.schema.name} cannot go back to v{way.to}: {'; '.join(blocked)}. Nothing was changed: restore a backup")
    refused = [(key, words) for key, words in way.refusals if key not in back.allow]
    if refused:
        command = "aaiclick rollback" if back.to is None else f"aaiclick rollback --to {back.to}"
        raise HazardNotAllowedError(back.schema.name, tuple(words for _, words in refused), tuple(key for key, _ in refused), command)


def _carry_out(back: Back, database: str, nonce: str, started: float) -> Routine[Report]:
    options = ApplyOptions(keep_old_seconds=max(back.keep_seconds, SHORTEST))
    # Where a run was killed on the way back, this one goes on to the same version, also where nothing had come of it yet.
    aims = [mark.back_to for mark in (yield from find_marks(database)) if isinstance(mark, Mark) and mark.back_to is not None]
    yield from clean_leftovers(database, options)
    yield from finish_feeds(database, options)
    found = yield from survey(back.schema, database)
    way = yield from find_way(found, back.to if back.to is not None else min(aims, default=None))
    _require_allowed(back, way)
    said: list[str] = []
    live = yield from physicals(database, tuple(sorted(restore.kept.table for restore in way.restores)))
    going = found.going_back
    listed = {name: table.uuid for name, table in live.items()} | (dict(going.tables) if going is not None and going.to == way.to else {})
    # Before the first effect, so that nobody takes for the newer version what is half-way back.
    yield from ensure_tables(database)
    yield from begin_back(found.account, GoingBack(way.to, way.live, str(back.owner), 0, listed))
    for name in way.done:
        yield from drop_table(database, name)
    for number, (step, restore) in enumerate(zip(way.steps, way.restores, strict=True), 1):
        begun = yield from _now()
        yield Emit(StepStarted(number, len(way.steps), step.object, step.change, step.strategy, step.rows))
        done = yield from restore_table(restore, Site(database, nonce, options), way.to)
        yield Emit(StepDone(number, len(way.steps), step.object, step.strategy, done.rows, (yield from _now()) - begun))
        said += done.notes
    names = tuple(sorted({item.name for item in back.schema.objects} | set(way.found.catalog.objects)))
    digest = yield from live_digest(back.schema, (yield from read_catalog(database, names)))
    seconds = (yield from _now()) - started
    yield from append(database, returned(back.schema.name, way.live, way.to, way.earlier, digest, str(back.owner), seconds))
    due = yield from next_expiry(database)
    entry = CacheEntry(way.to, way.earlier.spec if way.earlier else "", digest, due=due)
    # What was given up may have left something: the next start looks at the tables themselves.
    yield from update_cache(database, back.schema.name, entry if found.under_way is None else None)
    return _report(way, (yield from _now()) - started, done=True, said=tuple(said))


def _report(way: Way, seconds: float, *, done: bool, said: tuple[str, ...] = ()) -> Report:
    return Report(
        schema=way.found.schema.name,
        database=way.database,
        from_version=way.live,
        to_version=way.to,
        steps=way.steps if done else (),
        pending=() if done else way.steps,
        reasons=() if done else tuple(_reason(way, step.object) for step in way.steps),
        notes=(*_partly(way, done=done), *way.notes, *said),
        in_sync=done,
        duration=seconds,
    )


def _partly(way: Way, *, done: bool) -> tuple[str, ...]:
    """What concerns no single table that comes back."""
    tables = {restore.kept.table for restore in way.restores}
    found = [(key, words) for key, words in way.refusals if key.partition(" ")[2] not in tables or key.startswith("partial ")]
    return tuple(words if done else f"{words} (--allow '{key}')" for key, words in found)


def _reason(way: Way, table: str) -> str:
    words = [f"{words} (--allow '{key}')" for key, words in way.refusals if key.partition(" ")[2] == table and not key.startswith("partial ")]
    words += [restore.blocked for restore in way.restores if restore.kept.table == table and restore.blocked]
    return "; ".join(words) or "not asked for: this is a dry run"


def _now() -> Routine[float]:
    rows = yield Clock()
    return float(rows[0][0] or 0)
