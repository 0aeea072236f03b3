"""Enters the steps of a plan that are done once, as they are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from aaiclick.plan.model import Step
from aaiclick.routine import Routine
from aaiclick.server.tables import physical
from aaiclick.state.journal import ensure_journal
from aaiclick.state.ledger import Account, begin, finish, held_key
from aaiclick.state.transition import Passage, additive, begin_passage
from aaiclick.versions.live import rebuild_key


class Journal(Protocol):
    """Where a step writes what it is about to do and what it did; plain JSON values only."""

    def note(self, action: str, details: Mapping[str, str | int]) -> Routine[None]:
        """``action`` is a word such as ``chunk-filled``; ``details`` name the physical tables by UUID."""
        ...


class NoJournal:
    """Writes nothing."""

    def note(self, action: str, details: Mapping[str, str | int]) -> Routine[None]:
        """Accept and forget."""
        del action, details
        yield from ()


class StepLedger:
    """Listens to the steps as they are carried out, and enters those that complete a part of a migration; everything is passed on to
    ``inner``. ``passage``: what is entered before the first of them that is not additive (None: the version stays). ``filled``: the versions
    whose migrations fill a table anew, by its name."""

    def __init__(
        self, account: Account, steps: Iterable[Step], inner: Journal, passage: Passage | None = None, filled: Mapping[str, Sequence[int]] | None = None
    ) -> None:
        self._account = account
        self._steps = {step.id: step for step in steps}
        self._inner = inner
        self._passage = passage
        self._filled = filled or {}

    def note(self, action: str, details: Mapping[str, str | int]) -> Routine[None]:
        """As ``Journal`` has it."""
        step = self._steps.get(str(details.get("step", "")))
        if step is not None and action == "step-started" and self._passage is not None and not additive(step):
            yield from begin_passage(self._account, self._passage)
            self._passage = None
        if step is not None and step.work.kind == "alter" and (step.work.frees_ttl or any(alter.retimes for alter in step.work.alters)):
            key = held_key(step.object)
            if action == "step-started":
                yield from begin(self._account, key, {"table": step.object})
            elif action == "step-done":
                yield from finish(self._account, key)
        if action == "exchange":
            for rebuilt in [each for each in self._steps.values() if each.work.kind == "rebuild" and each.object == details["table"]]:
                yield from self._enter(rebuilt, str(details["uuid"]), str(details["new"]))
        if step is not None and action == "step-started" and step.work.kind == "rebuild" and step.migrations:
            table = yield from physical(self._account.database, step.object)
            yield from self._enter(step, table.uuid if table is not None else "", "")
        if step is not None and action == "step-done":
            yield from self._leave(step)
        yield from self._inner.note(action, details)

    def _leave(self, step: Step) -> Routine[None]:
        """A rebuild has converted the rows of its table. In a table that was made, whatever is written is of the newest version: nothing of it is to be
        converted."""
        made = self._filled.get(step.object, ()) if step.work.kind == "create" else ()
        if made:
            yield from ensure_journal(self._account.database)
        for version in step.migrations if step.work.kind == "rebuild" else made:
            yield from finish(self._account, rebuild_key(version, step.object))

    def _enter(self, step: Step, before: str, new: str) -> Routine[None]:
        """``before`` is the storage that goes, ``new`` the one that takes its place ('' as long as the exchange cannot have happened)."""
        for version in step.migrations:
            yield from begin(self._account, rebuild_key(version, step.object), {"uuid": before, "new": new, "table": step.object})
