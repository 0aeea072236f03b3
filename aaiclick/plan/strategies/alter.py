"""``alter`` and ``mutate``: the engine accepts it in place. Which of the two it is, its own system.mutations tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import Settings
from aaiclick.diff.alters import Batch, batches, by_phase, singly
from aaiclick.diff.changes.base import AlterCommand
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.rehearsal.cache import Sent, alike
from aaiclick.plan.rehearsal.empty_clone import Outcome, Stage, attempt, stage_form
from aaiclick.plan.strategies.context import TableCase, reached
from aaiclick.routine import Routine
from aaiclick.server.messages import told


@dataclass(frozen=True, slots=True)
class Proposal:
    """``work`` is None where the engine refuses; ``refusal`` is then its sentence. ``sent``: what a clone accepted."""

    work: AlterWork | None
    refusal: str = ""
    sent: tuple[Sent, ...] = ()


@dataclass(frozen=True, slots=True)
class Sending:
    """What became of batches on a stage: those that were accepted, and the first command that was refused, with the engine's sentence."""

    sent: tuple[Sent, ...]
    refused: AlterCommand | None = None
    message: str = ""


def propose_alter(case: TableCase) -> Routine[Proposal]:
    """Try the changes on an empty clone: all in one ALTER where that goes, else phase by phase, else one by one."""
    without = [change for change in case.changes if not change.commands]
    if without:
        return Proposal(None, f"ALTER has no syntax for: {without[0].words}")
    todo = batches(case.changes)
    key = alike(case.form, case.target)
    old_syntax = bool(case.as_spelled.old_syntax)
    known = case.memo.alters.get(key) if not old_syntax else None
    if known is not None and [each.batch for each in known] == list(todo):
        return Proposal(AlterWork(case.live.name, alters_of(case, known), settings_of(case, known)), sent=known)
    # What ALTER takes differs between a table in the old syntax and one that says the same in today's.
    stage = yield from case.make_stage(case.as_spelled if old_syntax else case.form, "alter")
    sending = yield from send_batches(case, stage, todo)
    if sending.refused is not None:
        return Proposal(None, told(sending.message))
    form = yield from stage_form(stage)
    if not reached(form, case.target):
        return Proposal(None, "the engine accepts the ALTER, but the table does not become what is declared")
    if not old_syntax:
        case.memo.alters[key] = sending.sent
    return Proposal(AlterWork(case.live.name, alters_of(case, sending.sent), settings_of(case, sending.sent)), sent=sending.sent)


def send_batches(case: TableCase, stage: Stage, todo: Sequence[Batch]) -> Routine[Sending]:
    """Send batches to the stage, taken apart where they are refused, up to the first command that is refused by itself: what came before
    it has changed the stage."""
    sent: list[Sent] = []
    for batch in todo:
        done, outcome = yield from _send(case, stage, batch)
        sent.extend(done)
        if not outcome.accepted:
            accepted = sum(len(each.batch.commands) for each in done)
            return Sending(tuple(sent), batch.commands[accepted], outcome.message)
    return Sending(tuple(sent))


def _send(case: TableCase, stage: Stage, batch: Batch) -> Routine[tuple[list[Sent], Outcome]]:
    """The parts of the batch that were accepted, in the order of its commands, and the outcome of the last one that was tried."""
    outcome = yield from attempt(stage, batch.sql(stage.name, case.parenthesise))
    if outcome.accepted:
        return [Sent(batch, outcome.mutates, outcome.settings)], outcome
    done: list[Sent] = []
    rest = batch
    for divide in (by_phase, singly):
        # A refused ALTER applies nothing at all, so trying smaller ones after it starts from the same table; a part that was accepted
        # stays: the finer division has to be tried on what is left of the commands.
        parts = divide(rest)
        if len(parts) == 1:
            continue
        for place, part in enumerate(parts):
            outcome = yield from attempt(stage, part.sql(stage.name, case.parenthesise))
            if not outcome.accepted:
                left = tuple(command for each in parts[place:] for command in each.commands)
                rest = Batch(left, batch.risky, batch.recovery)
                break
            done.append(Sent(part, outcome.mutates, outcome.settings))
        else:
            return done, outcome
    return done, outcome


def settings_of(case: TableCase, sent: Sequence[Sent]) -> Settings:
    """What has to be sent with the ALTERs."""
    nested = (("flatten_nested", "0"),) if any(column.type.startswith("Nested(") for column in case.target.form.columns) else ()
    return tuple(dict.fromkeys((*nested, *(pair for each in sent for pair in each.settings))))


def alters_of(case: TableCase, sent: Sequence[Sent]) -> tuple[Alter, ...]:
    """The ALTERs of the live table."""
    return tuple(_alter(case, each.batch, each.mutates) for each in sent)


def _alter(case: TableCase, batch: Batch, mutates: bool) -> Alter:
    recovery = f"ALTER TABLE {case.name} {batch.recovery}" if batch.recovery and mutates else ""
    declared = case.declared.engine.settings.get("materialize_ttl_recalculate_only") if case.declared is not None else None
    retimes = any(command.retimes for command in batch.commands)
    return Alter(batch.sql(case.name, case.parenthesise), mutates, batch.risky and mutates, recovery, retimes, retimes and bool(declared))
