"""``alter`` and ``mutate``: the engine accepts it in place. Which of the two it is, its own system.mutations tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.plan.alters import Batch, batches, by_phase, singly
from aaiclick.plan.changes.base import Change
from aaiclick.plan.memo import Sent, alike
from aaiclick.plan.rehearsal import Outcome, Stage, attempt, stage_form
from aaiclick.plan.strategies.context import TableCase, reached
from aaiclick.plan.work import Alter, AlterWork
from aaiclick.routine import Routine


@dataclass(frozen=True, slots=True)
class Proposal:
    """``work`` is None where the engine refuses; ``refusal`` is then its sentence."""

    work: AlterWork | None
    refusal: str = ""


def propose_alter(case: TableCase) -> Routine[Proposal]:
    """Try the changes on an empty clone: all in one ALTER where that goes, else phase by phase, else one by one."""
    without = [change for change in case.changes if not change.commands]
    if without:
        return Proposal(None, f"ALTER has no syntax for: {without[0].words}")
    todo = batches(case.changes)
    settings = (("flatten_nested", "0"),) if any(column.type.startswith("Nested(") for column in case.target.form.columns) else ()
    key = alike(case.form, case.target)
    known = case.memo.alters.get(key)
    if known is not None and [each.batch for each in known] == list(todo):
        return Proposal(AlterWork(case.live.name, _alters(case, known), settings))
    stage = yield from case.make_stage(case.form, "alter")
    sent, refusal = yield from apply_batches(case, stage, todo)
    if refusal:
        return Proposal(None, refusal)
    form = yield from stage_form(stage)
    if not reached(form, case.target):
        return Proposal(None, "the engine accepts the ALTER, but the table does not become what is declared")
    case.memo.alters[key] = sent
    return Proposal(AlterWork(case.live.name, _alters(case, sent), settings))


def apply_batches(case: TableCase, stage: Stage, todo: Sequence[Batch]) -> Routine[tuple[tuple[Sent, ...], str]]:
    """Send batches to the stage, taken apart where they are refused. Answers with what was accepted, or the refusal."""
    alters: list[Sent] = []
    for batch in todo:
        done, outcome = yield from _send(case, stage, batch)
        if done is None:
            return (), outcome.message
        alters.extend(done)
    return tuple(alters), ""


def _send(case: TableCase, stage: Stage, batch: Batch) -> Routine[tuple[list[Sent] | None, Outcome]]:
    outcome = yield from attempt(stage, batch.sql(stage.name, case.parenthesise))
    if outcome.accepted:
        return [Sent(batch, outcome.mutates)], outcome
    for divide in (by_phase, singly):
        parts = divide(batch)
        if len(parts) == 1:
            continue
        done: list[Sent] = []
        for part in parts:
            # A refused ALTER applies nothing at all, so trying smaller ones after it starts from the same table ...
            outcome = yield from attempt(stage, part.sql(stage.name, case.parenthesise))
            if not outcome.accepted:
                break
            done.append(Sent(part, outcome.mutates))
        else:
            return done, outcome
        if done:
            # ... but a part that was accepted stays: the finer division has to be tried on what is left of the commands.
            rest = tuple(command for part in parts[len(done) :] for command in part.commands)
            finer, outcome = yield from _each(case, stage, Batch(rest, batch.risky, batch.recovery))
            return ([*done, *finer] if finer is not None else None), outcome
    return None, outcome


def _each(case: TableCase, stage: Stage, batch: Batch) -> Routine[tuple[list[Sent] | None, Outcome]]:
    done: list[Sent] = []
    outcome = Outcome(True)
    for part in singly(batch):
        outcome = yield from attempt(stage, part.sql(stage.name, case.parenthesise))
        if not outcome.accepted:
            return None, outcome
        done.append(Sent(part, outcome.mutates))
    return done, outcome


def _alters(case: TableCase, sent: Sequence[Sent]) -> tuple[Alter, ...]:
    return tuple(_alter(case, each.batch, each.mutates) for each in sent)


def _alter(case: TableCase, batch: Batch, mutates: bool) -> Alter:
    recovery = f"ALTER TABLE {case.name} {batch.recovery}" if batch.recovery and mutates else ""
    declared = case.declared.engine.settings.get("materialize_ttl_recalculate_only") if case.declared is not None else None
    retimes = any(command.retimes for command in batch.commands)
    return Alter(batch.sql(case.name, case.parenthesise), mutates, batch.risky and mutates, recovery, retimes, retimes and bool(declared))


def accepted_changes(case: TableCase, stage: Stage, changes: Sequence[Change]) -> Routine[tuple[tuple[Alter, ...], tuple[Change, ...]]]:
    """The changes that the engine accepts in place, one after the other, and those it refuses (or has no syntax for)."""
    alters: list[Alter] = []
    refused: list[Change] = []
    ordered = sorted(changes, key=lambda change: min((command.phase for command in change.commands), default=99))
    for change in ordered:
        if not change.commands:
            refused.append(change)
            continue
        done, refusal = yield from apply_batches(case, stage, batches([change]))
        if refusal:
            refused.append(change)
        else:
            alters.extend(_alters(case, done))
    return tuple(alters), tuple(refused)
