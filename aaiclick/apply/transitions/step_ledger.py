"""Enters the steps of a plan that are done once, as they are carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aaiclick.apply.identity import physical
from aaiclick.apply.ledger import Account, begin, finish, held_key
from aaiclick.apply.options import Journal
from aaiclick.apply.transitions.under_way import Passage, additive, begin_passage
from aaiclick.plan.model import Step
from aaiclick.routine import Routine


class StepLedger:
    """Listens to the steps as they are carried out, and enters those that complete a part of a migration; everything is passed on to
    ``inner``. ``passage``: what is entered before the first of them that is not additive (None: the version stays)."""

    def __init__(self, account: Account, steps: Iterable[Step], inner: Journal, passage: Passage | None = None) -> None:
        self._account = account
        self._steps = {step.id: step for step in steps}
        self._inner = inner
        self._passage = passage

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
        if step is not None and step.work.kind == "rebuild" and step.migrations:
            if action == "step-started":
                table = yield from physical(self._account.database, step.object)
                for version in step.migrations:
                    yield from begin(self._account, f"{version}:rebuild:{step.object}", {"uuid": table.uuid if table is not None else "", "table": step.object})
            elif action == "step-done":
                for version in step.migrations:
                    yield from finish(self._account, f"{version}:rebuild:{step.object}")
        yield from self._inner.note(action, details)
