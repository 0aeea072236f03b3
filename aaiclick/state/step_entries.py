"""What the journal says of the steps of a plan that are done once: written as they are carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.clickhouse.tables import physical
from aaiclick.plan.model import Step
from aaiclick.routine import Routine
from aaiclick.state.journal import ensure_journal
from aaiclick.state.progress import Converted, JournalScope, begin, finish, finish_rebuild, held_key
from aaiclick.state.transition import TransitionStart, additive, begin_transition
from aaiclick.versions.live import rebuild_key


@dataclass(frozen=True, slots=True)
class StepEntries:
    """Where the steps of one plan are entered, and what of them."""

    scope: JournalScope
    steps: tuple[Step, ...]
    start: TransitionStart | None = None
    """What is entered before the first of them that is not additive; None: the version stays."""
    filled: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    """The versions whose migrations fill a table anew, by its name."""
    converted: Mapping[str, Converted] = field(default_factory=dict[str, Converted])
    """The copies with expressions that earlier runs have made for pending migrations, by their keys."""

    @property
    def first_not_additive(self) -> Step | None:
        """The first step that code of the version before does not bear."""
        return next((step for step in self.steps if not additive(step)), None)


def enter_begun(entries: StepEntries, step: Step) -> Routine[None]:
    """Before the first effect of a step."""
    if entries.start is not None and step is entries.first_not_additive:
        yield from begin_transition(entries.scope, entries.start)
    if _sets_ttl(step):
        yield from begin(entries.scope, held_key(step.object), {"table": step.object})
    if step.work.kind == "rebuild" and step.migrations:
        table = yield from physical(entries.scope.database, step.object)
        yield from _enter_rebuild(entries, step, table.uuid if table is not None else "", "")


def enter_exchange(entries: StepEntries, table: str, before: str, new: str) -> Routine[None]:
    """Before a rebuilt table, or one that takes over parts, takes the place of the old one: from then on the storage
    that is there tells whether the rebuild is done.

    ``before`` is the storage that goes, ``new`` the one that comes: what was converted in the one is converted in the
    other.
    """
    for key, done in entries.converted.items():
        if before in done.storages:
            yield from finish_rebuild(entries.scope, key, replace(done, storages=(*done.storages, new)))
    for step in entries.steps:
        if step.work.kind == "rebuild" and step.object == table:
            yield from _enter_rebuild(entries, step, before, new)


def enter_done(entries: StepEntries, step: Step, new: str) -> Routine[None]:
    """After the last effect of a step. A rebuild has converted the rows of its table, and put the storage ``new`` in
    place. In a table that was made, whatever is written is of the newest version: nothing of it is to be converted."""
    if _sets_ttl(step):
        yield from finish(entries.scope, held_key(step.object))
    made = entries.filled.get(step.object, ()) if step.work.kind == "create" else ()
    if made:
        yield from ensure_journal(entries.scope.database)
        there = yield from physical(entries.scope.database, step.object)
        new = there.uuid if there is not None else ""
    for version in step.migrations if step.work.kind == "rebuild" else made:
        yield from finish_rebuild(entries.scope, rebuild_key(version, step.object), Converted(step.object, (new,)))


def _sets_ttl(step: Step) -> bool:
    return step.work.kind == "alter" and (step.work.frees_ttl or any(alter.retimes for alter in step.work.alters))


def _enter_rebuild(entries: StepEntries, step: Step, before: str, new: str) -> Routine[None]:
    """``new`` is '' as long as the exchange cannot have happened."""
    for version in step.migrations:
        yield from begin(
            entries.scope, rebuild_key(version, step.object), {"uuid": before, "new": new, "table": step.object}
        )
