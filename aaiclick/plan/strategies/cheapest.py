"""Chooses the first strategy that is proven to have the result of a copy, and that the engine accepts."""

from __future__ import annotations

from dataclasses import replace

from aaiclick.catalog.parse.expanded_aliases import aliases_of, without_aliases
from aaiclick.catalog.render import has_hidden
from aaiclick.diff.hazards import Hazard
from aaiclick.plan import steps
from aaiclick.plan.data_checks.deleted_rows import mutation_fails
from aaiclick.plan.guards.conditions import TableGuards
from aaiclick.plan.model import Step
from aaiclick.plan.not_inherited import NotInherited, left_as_they_are, not_inherited, reads_otherwise
from aaiclick.plan.old_parts.absent_columns import AbsentColumns, absent_columns
from aaiclick.plan.old_parts.columns import held_columns
from aaiclick.plan.old_parts.read_by_defaults import written_over_absent
from aaiclick.plan.old_parts.stored_types import stored_otherwise
from aaiclick.plan.operations import Alter
from aaiclick.plan.other_engines import plan_other_engine
from aaiclick.plan.proof.constraints import violated
from aaiclick.plan.proof.cost import touched_bytes
from aaiclick.plan.proof.in_place import InPlaceProof
from aaiclick.plan.proof.nondeterministic import nondeterministic, written_down
from aaiclick.plan.rehearsal.on_parts import alter_refused, attach_refused, copy_refused
from aaiclick.plan.strategies.alter import propose_alter
from aaiclick.plan.strategies.attach import propose_attach
from aaiclick.plan.strategies.context import TableDiff, remembered
from aaiclick.plan.strategies.rebuild import propose_rebuild
from aaiclick.plan.strategies.refusals import becomes_replicated, exchange_refusal
from aaiclick.routine import Routine
from aaiclick.sql.clauses import materialize
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import quote_name


def one_sentence(*said: str) -> str:
    """What was said, in one; without what is ''."""
    return "; ".join(each for each in said if each)


def _leaving(step: Step, behind: NotInherited) -> Step:
    return with_hazards(replace(step, blocked=step.blocked or behind.blocked), behind.hazards)


def with_hazards(step: Step, hazards: tuple[Hazard, ...]) -> Step:
    """The step with further ones."""
    return replace(step, hazards=(*step.hazards, *hazards))


def cheapest(
    diff: TableDiff, data_name: str, proof: InPlaceProof, table_guards: TableGuards, blocked: str
) -> Routine[tuple[Step, ...]]:
    """The first strategy that is proven to have the result of a copy, and that the engine accepts."""
    if not (diff.form.merge_tree and diff.target.form.merge_tree):
        # Of other engines no parts are rewritten or attached: such a table is altered or replaced as a whole.
        return ((yield from plan_other_engine(diff, blocked)),)
    # A copy writes every column into every part. Only a change in place has to ask which parts lack one.
    absent = (yield from absent_columns(diff, data_name)) if proof.in_place else AbsentColumns(diff.changes)
    found = yield from _tried(diff, data_name, proof, absent, table_guards, blocked)
    return (*found[:-1], replace(found[-1], unlooked=absent.open)) if absent.open else found


def _tried(
    diff: TableDiff, data_name: str, proof: InPlaceProof, absent: AbsentColumns, table_guards: TableGuards, blocked: str
) -> Routine[tuple[Step, ...]]:
    """``alter``, ``attach`` and ``rebuild``, as far as each is allowed."""
    reason = refusal = one_sentence(proof.reason, absent.refusal)
    allowed = proof.in_place and not absent.refusal
    changes = yield from written_down(absent.changes, diff.target.form, diff.live.rows)
    # After that: a column that is written anyway needs no second reason.
    changes = yield from written_over_absent(diff, data_name, changes)
    in_place = replace(diff, changes=(*changes, *proof.remade))
    # What an empty clone does not show.
    for unlike in (stored_otherwise, mutation_fails) if not blocked else ():
        if allowed and (found := (yield from unlike(diff, data_name, in_place.changes))):
            allowed, reason, refusal = False, found, found
    if allowed:
        proposal = yield from remembered(in_place, propose_alter)
        refusal = proposal.refusal
        # An empty clone does not show everything: some ALTERs are accepted there and fail inside the mutation once
        # there are rows, when the metadata has changed already.
        if proposal.work is not None and not blocked:
            refusal = yield from alter_refused(in_place, data_name, proposal.sent)
        if proposal.work is not None and not refusal:
            touched = yield from touched_bytes(diff, data_name)
            work = replace(table_guards.alter(proposal.work, proposal.sent), rereads=reads_otherwise(in_place.changes))
            left = yield from left_as_they_are(diff, data_name, in_place.changes)
            return (_leaving(steps.alter_step(diff, work, in_place.changes, blocked, touched), left),)
    # The server shows [HIDDEN] for a secret: a table that is created from that text would store the word.
    if diff.hidden_defaults or has_hidden(diff.target.form):
        why = "a new table cannot be made: its definition holds a secret that the server does not show"
        return (steps.impossible_step(diff, diff.changes, one_sentence(refusal, why)),)
    # Only from here on a new table would have to take the place of the live one: an ALTER needs none of this.
    unfit = exchange_refusal(diff)
    if unfit:
        return (steps.impossible_step(diff, diff.changes, one_sentence(refusal, unfit), whole=not refusal),)
    if allowed:
        # Before a copy: an attach makes hard links, in milliseconds and without disk space, whatever the size of the
        # table.
        attach = yield from remembered(in_place, propose_attach)
        if attach is not None and (
            blocked or not (yield from attach_refused(in_place, data_name, attach.work, attach.sent))
        ):
            behind = yield from not_inherited(diff, data_name)
            return (
                _leaving(
                    steps.attach_step(diff, table_guards.attach(attach.work, attach.sent), in_place.changes, blocked),
                    behind,
                ),
            )
    if becomes_replicated(diff):
        why = (
            f"{diff.live.name} becomes replicated by a new table that takes over its parts as they are, and its rows "
            "would have to be copied as well: make the two changes in two versions"
        )
        return (steps.impossible_step(diff, diff.changes, one_sentence(refusal, why)),)
    return (yield from _copied(diff, data_name, table_guards, blocked, reason, refusal))


def _copied(
    diff: TableDiff, data_name: str, table_guards: TableGuards, blocked: str, reason: str, refusal: str
) -> Routine[tuple[Step, ...]]:
    """``rebuild``, or why there is no way at all. ``reason``: what would be different in place; ``refusal``: that, or
    what the engine says about the ALTER."""
    rebuild = yield from remembered(diff, propose_rebuild)
    if rebuild.work is not None:
        if diff.live.rows and not blocked and not diff.reads_no_rows:
            # A copy is an INSERT, so the server checks all constraints of the new table over all rows.
            checks = [constraint for constraint in diff.target.form.constraints if constraint.kind == "CHECK"]
            blocked = yield from violated(diff, data_name, checks)
        if not blocked and (failing := (yield from copy_refused(diff, data_name, rebuild.work))):
            blocked = f"rows of {diff.live.name} cannot be copied ({failing})"
        # As a step in front of the copy, not in it: what the mutation has written is there for both readings of the
        # checksum.
        pinned = yield from _pin(diff, data_name)
        behind = yield from not_inherited(diff, data_name)
        return (
            *pinned,
            _leaving(
                steps.rebuild_step(diff, table_guards.rebuild(rebuild.work), diff.changes, blocked, reason), behind
            ),
        )
    # The copy reports a conversion that fails with the name of its column, so the message of the ALTER is left out.
    return (
        steps.impossible_step(
            diff, diff.changes, one_sentence("" if refusal in rebuild.refusal else refusal, rebuild.refusal)
        ),
    )


def _pin(diff: TableDiff, data_name: str) -> Routine[tuple[Step, ...]]:
    """A step before a copy that writes defaults such as ``now()`` into parts that do not hold the column.

    Else each read would compute them anew, and the checksum of the copy would never match.
    """
    # Without a call, an expression gives the same value at every read.
    computed = [
        column
        for column in diff.form.columns
        if column.kind == "DEFAULT" and "(" in without_aliases(column.expression, aliases_of(diff.form))
    ]
    if not computed or not diff.live.rows:
        return ()
    held = yield from held_columns(diff.database, data_name, diff.hosts)
    absent = [
        column
        for column in computed
        if held.lacking(column.name) and not mentioned(f"{diff.form.order_by} {diff.form.partition_by}", [column.name])
    ]
    changing = yield from nondeterministic([column.expression for column in absent], diff.form)
    names = [column.name for column in absent if column.expression in changing]
    # What a lightweight update wrote would be lost: the copy leaves the column out of its checksum.
    if not names or held.patched:
        return ()
    sql = alter_table(diff.name, *(materialize("COLUMN", quote_name(name)) for name in names))
    return (steps.pin_step(diff, Alter(sql, mutates=True), names),)
