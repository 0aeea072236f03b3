"""The strategies ``alter`` and ``mutate``: the engine accepts ALTERs in place. ``system.mutations`` tells which of the
two it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import Form, Settings
from aaiclick.clickhouse.messages import first_line
from aaiclick.diff.alters import Batch, batches, by_phase, one_by_one
from aaiclick.diff.changes.base import AlterCommand
from aaiclick.plan.operations import Alter, AlterWork
from aaiclick.plan.rehearsal.cache import AcceptedBatch, key_without_names
from aaiclick.plan.rehearsal.empty_clone import Clone, Outcome, attempt_alter
from aaiclick.plan.strategies.context import TableDiff, reaches_target
from aaiclick.routine import Routine
from aaiclick.sql.ddl import alter_table


@dataclass(frozen=True, slots=True)
class AlterProposal:
    """ALTERs for a table. ``work`` is None where the engine refuses them, with its message in ``refusal``. ``sent``:
    what a clone accepted."""

    work: AlterWork | None
    refusal: str = ""
    sent: tuple[AcceptedBatch, ...] = ()


@dataclass(frozen=True, slots=True)
class SendResult:
    """Batches that a clone accepted, the first command that it refused, with the engine's message, and the form of the
    clone behind the batches (None: there were none)."""

    sent: tuple[AcceptedBatch, ...]
    refused: AlterCommand | None = None
    message: str = ""
    form: Form | None = None


def propose_alter(diff: TableDiff) -> Routine[AlterProposal]:
    """Try the changes on an empty clone: in one ALTER, else in one for each phase, else one by one."""
    # Such a change is made by a new table only, which makes all the others as well: none of them has to be tried.
    without = [change for change in diff.changes if not change.commands]
    if without:
        return AlterProposal(None, f"ALTER has no syntax for: {without[0].words}")
    todo = batches(diff.changes)
    key = key_without_names(diff.form, diff.target)
    old_syntax = bool(diff.as_spelled.old_syntax)
    known = diff.cache.alters.get(key) if not old_syntax else None
    if known is not None and [each.batch for each in known] == list(todo):
        return AlterProposal(AlterWork(diff.live.name, alters_of(diff, known), settings_of(diff, known)), sent=known)
    # The server allows other ALTERs for a table in the old syntax than for the same definition in the new one.
    clone = yield from diff.make_clone(diff.as_spelled if old_syntax else diff.form, "alter")
    sending = yield from send_batches(diff, clone, todo)
    if sending.refused is not None:
        return AlterProposal(None, first_line(sending.message))
    # An accepted ALTER may still do less than it says: MODIFY ORDER BY a over (a) changes nothing, and ADD PROJECTION
    # behind a missing one puts it at the end.
    if not reaches_target(sending.form or diff.form, diff.target):
        return AlterProposal(None, "the engine accepts the ALTER, but the table does not become what is declared")
    if not old_syntax:
        # Kept for the second plan under the lease, and for tables that differ in their names alone: each trial costs a
        # clone and its ALTERs.
        diff.cache.alters[key] = sending.sent
    return AlterProposal(
        AlterWork(diff.live.name, alters_of(diff, sending.sent), settings_of(diff, sending.sent)), sent=sending.sent
    )


def send_batches(diff: TableDiff, clone: Clone, todo: Sequence[Batch]) -> Routine[SendResult]:
    """Send batches to a clone that was just made, divided where they are refused, up to the first command that is
    refused alone.

    Commands before that one have changed the clone.
    """
    sent: list[AcceptedBatch] = []
    outcome = Outcome(True)
    for batch in todo:
        done, outcome = yield from _send(diff, clone, batch, outcome.mutations)
        sent.extend(done)
        if not outcome.accepted:
            accepted = sum(len(each.batch.commands) for each in done)
            return SendResult(tuple(sent), batch.commands[accepted], outcome.message)
    return SendResult(tuple(sent), form=outcome.form)


def _send(diff: TableDiff, clone: Clone, batch: Batch, mutations: int) -> Routine[tuple[list[AcceptedBatch], Outcome]]:
    """The parts of the batch that were accepted, in order, and the outcome of the last that was tried. ``mutations``:
    how many the clone has had."""
    # All commands in one ALTER are one mutation, so it is tried first: it rewrites each part once.
    outcome = yield from attempt_alter(clone, batch.sql(clone.name, diff.parenthesise), mutations)
    if outcome.accepted:
        return [AcceptedBatch(batch, outcome.mutates, outcome.settings)], outcome
    done: list[AcceptedBatch] = []
    rest = batch
    for divide in (by_phase, one_by_one):
        # A refused ALTER applies nothing, so smaller ones start from the same table. What was accepted stays applied,
        # so only the commands that are left are divided further.
        parts = divide(rest)
        if len(parts) == 1:
            continue
        for place, part in enumerate(parts):
            outcome = yield from attempt_alter(clone, part.sql(clone.name, diff.parenthesise), mutations)
            # Of a refused ALTER nothing is counted.
            mutations = outcome.mutations or mutations
            if not outcome.accepted:
                left = tuple(command for each in parts[place:] for command in each.commands)
                rest = Batch(left, batch.risky, batch.recovery)
                break
            done.append(AcceptedBatch(part, outcome.mutates, outcome.settings))
        else:
            return done, outcome
    return done, outcome


def settings_of(diff: TableDiff, sent: Sequence[AcceptedBatch]) -> Settings:
    """Settings that have to be sent with the ALTERs."""
    # Else the server takes a Nested apart that the table has as one column.
    nested = (
        (("flatten_nested", "0"),)
        if any(column.type.startswith("Nested(") for column in diff.target.form.columns)
        else ()
    )
    return tuple(dict.fromkeys((*nested, *(pair for each in sent for pair in each.settings))))


def alters_of(diff: TableDiff, sent: Sequence[AcceptedBatch]) -> tuple[Alter, ...]:
    """The ALTERs of the live table."""
    return tuple(_alter(diff, each.batch, each.mutates) for each in sent)


def _alter(diff: TableDiff, batch: Batch, mutates: bool) -> Alter:
    # Without a mutation the ALTER is done or refused as a whole, so there is nothing to put back.
    recovery = alter_table(diff.name, batch.recovery) if batch.recovery and mutates else ""
    declared = (
        diff.declared.engine.settings.get("materialize_ttl_recalculate_only") if diff.declared is not None else None
    )
    sets_ttl = any(command.sets_ttl for command in batch.commands)
    return Alter(
        batch.sql(diff.name, diff.parenthesise),
        mutates,
        batch.risky and mutates,
        recovery,
        sets_ttl,
        sets_ttl and bool(declared),
    )
