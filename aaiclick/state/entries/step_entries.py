"""Writes the journal entries of steps that must be done only once, while they are carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.clickhouse.tables import physical
from aaiclick.errors import ApplyError
from aaiclick.plan.model import Step
from aaiclick.plan.operations import AlterWork, CreateWork, RebuildWork
from aaiclick.routine import Nonce, Routine, text
from aaiclick.sql.cluster import with_uuid
from aaiclick.state.entries.reached import enter_altered, enter_altering, enter_reached
from aaiclick.state.entries.remade_views import end_kept, enter_dropped, enter_kept, stop_made
from aaiclick.state.entries.stopped import ttl_change_key
from aaiclick.state.journal import Details, ensure_journal
from aaiclick.state.progress import Converted, JournalScope, enter_end, enter_rebuild_end, enter_start
from aaiclick.state.transition import TransitionStart, additive, begin_transition
from aaiclick.versions.live_version import rebuild_key
from aaiclick.versions.version_changes import Reached


@dataclass(frozen=True, slots=True)
class StepEntries:
    """Where the steps of one plan are entered, and what of them."""

    scope: JournalScope
    """Where in the journal."""
    steps: tuple[Step, ...]
    """The steps of the plan."""
    start: TransitionStart | None = None
    """What is entered before the first of them that is not additive; None: the version stays."""
    filled: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    """The versions whose migrations fill a table anew, by its name."""
    converted: Mapping[str, Converted] = field(default_factory=dict[str, Converted])
    """The copies with expressions that earlier runs have made for pending migrations, by their keys."""
    numbered: bool = False
    """Whether the database lets a CREATE say which storage it makes."""
    stopped: frozenset[str] = frozenset()
    """Refreshable views that are stopped, or were before a killed run made them anew, and that this run makes anew."""

    kept: Mapping[str, Details] = field(default_factory=dict[str, Details])
    """What nobody declares of the views that the steps drop and make anew, by their quoted names."""

    divided: bool = False
    """Whether an ALTER that adds a column and writes it is sent as two: on a cluster."""
    freed: frozenset[str] = frozenset()
    """Tables whose TTL merges are stopped until they are copied."""
    reached: Mapping[str, Reached] = field(default_factory=dict[str, Reached])
    """How far earlier runs have brought storages, by UUID."""

    @property
    def first_not_additive(self) -> Step | None:
        """The first step that code of the version before does not bear.

        That a missing table is made is one, where a migration would have filled it: rows that come into it are of the
        newer version, and older code would take them for its own. So is a step that leaves rows of a version of which
        its definition does not tell.
        """
        steps = self.steps
        return next((step for step in steps if not additive(step) or step.reaches or _made(self, step)), None)


def enter_begun(entries: StepEntries, step: Step) -> Routine[Step]:
    """Before the first effect of a step; the step as it is to be carried out.

    Whatever is written into a table that is made is of the newest version: nothing of it is to be converted. That is
    known before the first row can be there, since the storage is entered before it is made.
    """
    # The transition first: whoever finds an entry of the step finds that it belongs to one under way.
    if entries.start is not None and step is entries.first_not_additive:
        yield from begin_transition(entries.scope, entries.start)
    # All of these before the step's own first effect: what it drops or changes is nowhere else to be read.
    yield from enter_dropped(entries.scope, step, entries.stopped)
    yield from enter_kept(entries.scope, step, entries.kept)
    if entries.divided:
        from aaiclick.state.entries.unwritten import enter_unwritten

        yield from enter_unwritten(entries.scope, step)
    if _sets_ttl(step):
        yield from enter_start(entries.scope, ttl_change_key(step.object), {"table": step.object})
    # Without a new storage yet: of a run that is killed before the exchange nothing is converted.
    if step.work.kind == "rebuild" and step.migrations:
        table = yield from physical(entries.scope.database, step.object)
        yield from _enter_rebuild(entries, step, table.uuid if table is not None else "", "")
    yield from enter_altering(entries.scope, step, entries.reached)
    made = _made(entries, step)
    if not (made or step.reaches) or not entries.numbered or not isinstance(step.work, CreateWork):
        return step
    # The CREATE names the storage, so that it can be entered before it is there.
    uuid = yield from fresh_uuid()
    for version in made:
        key = rebuild_key(version, step.object)
        details: dict[str, object] = {"uuid": "", "new": uuid, "table": step.object}
        yield from enter_start(entries.scope, key, details | _earlier(entries, key))
    yield from enter_reached(entries.scope, step, uuid)
    return replace(step, work=replace(step.work, sql=with_uuid(step.work.sql, uuid)))


def enter_ttl_stops(entries: StepEntries, tables: Mapping[str, str]) -> Routine[StepEntries]:
    """Before the TTL merges of these tables are stopped for copies that are still to come; each with its UUID. The
    entries as they are from then on.

    No table shows that they are stopped. So the transition is under way first: whoever comes after a kill looks at the
    journal then, also code of the older version, which would find nothing to do otherwise.
    """
    if entries.start is not None:
        yield from begin_transition(entries.scope, entries.start)
    for table, uuid in tables.items():
        yield from enter_start(entries.scope, ttl_change_key(table), {"table": table, "uuid": uuid})
    return replace(entries, start=None, freed=frozenset(tables))


def enter_exchange(entries: StepEntries, table: str, before: str, new: str) -> Routine[None]:
    """Before the exchange of a rebuild or attach: from then on the storage under the name tells whether it is done.

    ``before``: UUID of the storage that goes. ``new``: of the one that takes its place; what was converted in the first
    is converted in the second.
    """
    for key, done in entries.converted.items():
        # What an earlier step has converted goes over into the new storage, and has to count there as well.
        if before in done.storages:
            yield from enter_rebuild_end(entries.scope, key, replace(done, storages=(*done.storages, new)))
    # The new storage goes in before the exchange: killed in between, the storage that has the name tells which of the
    # two happened.
    for step in entries.steps:
        if step.work.kind == "rebuild" and step.object == table:
            yield from _enter_rebuild(entries, step, before, new)
        if step.work.kind in ("rebuild", "attach") and step.object == table:
            yield from enter_reached(entries.scope, step, new)


def enter_exchanged(entries: StepEntries, table: str, new: str) -> Routine[None]:
    """A rebuilt table, the storage ``new``, has taken the place of the old one. From now on another one under the name
    is no sign that nothing was converted."""
    for step in entries.steps:
        if step.work.kind == "rebuild" and step.object == table:
            yield from _enter_converted(entries, step.object, step.migrations, new)


def enter_done(entries: StepEntries, step: Step) -> Routine[None]:
    """After the last effect of a step."""
    # Stopped first, its entry ended second. A kill in between stops the view again, which changes nothing.
    yield from stop_made(entries.scope, step, entries.stopped)
    yield from end_kept(entries.scope, step, entries.kept)
    if entries.divided:
        from aaiclick.state.entries.unwritten import enter_written

        yield from enter_written(entries.scope, step)
    if _sets_ttl(step) or freed_by_copy(step) in entries.freed:
        yield from enter_end(entries.scope, ttl_change_key(step.object))
    if not (entries.numbered and step.work.kind == "create"):
        yield from enter_altered(entries.scope, step)
    if made := _made(entries, step):
        # Storages may be entered here for the first time: a database whose CREATE takes no UUID has no entry before it.
        yield from ensure_journal(entries.scope.database)
        there = yield from physical(entries.scope.database, step.object)
        yield from _enter_converted(entries, step.object, made, there.uuid if there is not None else "")


def freed_by_copy(step: Step) -> str:
    """The table that it copies, where the old TTL would take rows of it before the exchange; '' for any other step."""
    return step.work.table if isinstance(step.work, RebuildWork) and not step.work.keeps_ttl else ""


def changes_ttl(step: Step) -> bool:
    """Whether TTL merges of a table are stopped for it."""
    return _sets_ttl(step) or bool(freed_by_copy(step))


def _sets_ttl(step: Step) -> bool:
    return isinstance(step.work, AlterWork) and (
        step.work.frees_ttl or any(alter.retimes for alter in step.work.alters)
    )


def _enter_rebuild(entries: StepEntries, step: Step, before: str, new: str) -> Routine[None]:
    """``new`` is '' as long as the exchange cannot have happened. Raises ApplyError where the rows of the storage
    ``before`` are converted already."""
    for version in step.migrations:
        key = rebuild_key(version, step.object)
        if before in _before(entries, key):
            raise ApplyError(
                f"{step.object} is storage {before} again, whose rows migration {version} has converted already: "
                "somebody else put it back. Run again"
            )
        details: dict[str, object] = {"uuid": before, "new": new, "table": step.object}
        yield from enter_start(entries.scope, key, details | _earlier(entries, key))


def _enter_converted(entries: StepEntries, table: str, versions: Sequence[int], new: str) -> Routine[None]:
    for version in versions:
        key = rebuild_key(version, table)
        yield from enter_rebuild_end(entries.scope, key, Converted(table, (*_before(entries, key), new)))


def _made(entries: StepEntries, step: Step) -> Sequence[int]:
    """The versions whose migrations fill a table that this step makes."""
    return entries.filled.get(step.object, ()) if step.work.kind == "create" else ()


def fresh_uuid() -> Routine[str]:
    """One of version 4."""
    digits = ""
    while len(digits) < 32:
        digits += text((yield Nonce())[0][0])
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _earlier(entries: StepEntries, key: str) -> dict[str, object]:
    storages = _before(entries, key)
    return {"storages": storages} if storages else {}


def _before(entries: StepEntries, key: str) -> tuple[str, ...]:
    """The storages that earlier runs have converted."""
    known = entries.converted.get(key)
    return known.storages if known is not None else ()
