"""The strategy ``attach``: a new table takes over the parts as hard links (for another engine, index granularity, and
so on)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.catalog.spelling import spelled_as
from aaiclick.diff.alters import batches
from aaiclick.diff.changes.base import Change, Phase
from aaiclick.diff.changes.columns import AddColumn
from aaiclick.plan.operations import AttachWork
from aaiclick.plan.rehearsal.cache import AcceptedBatch
from aaiclick.plan.rehearsal.empty_clone import Clone, attempt
from aaiclick.plan.strategies.alter import alters_of, send_batches, settings_of
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.clauses import attach_partition_from
from aaiclick.sql.ddl import alter_table
from aaiclick.sql.quoting import qualified

# Each refused change costs another clone, and only few changes that ALTER cannot make can be made by an attach.
_MOST_REFUSED = 8
_COLUMNS = range(Phase.REMOVE_DEFAULT, Phase.MOVE)


@dataclass(frozen=True, slots=True)
class AttachProposal:
    """An attach for a table. ``sent``: the ALTERs before it, as a clone accepted them."""

    work: AttachWork
    sent: tuple[AcceptedBatch, ...]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A clone after the ALTERs that can be made in place."""

    clone: Clone
    sent: tuple[AcceptedBatch, ...]


def propose_attach(diff: TableDiff) -> Routine[AttachProposal | None]:
    """Make the changes that ALTER can make on a clone, then ask whether a table of the target's form would take over
    its parts.

    The server compares the two definitions before it looks at parts (errors 36 and 122), so an empty clone tells
    most of it.
    """
    if not diff.form.merge_tree or not diff.target.form.merge_tree:
        return None
    prepared = yield from _prepare(diff)
    if prepared is None or any(each.batch.risky and each.mutates for each in prepared.sent):
        return None  # a mutation that can fail on the data is a step of its own
    clone = qualified(prepared.clone.database, prepared.clone.table)
    # The server compares the texts of keys, so the spelling of the live table is tried where ours is refused.
    spelled = spelled_as(diff.target.form, diff.as_spelled)
    for form, label in ((diff.target.form, "attached"), (spelled, "attached-spelled")):
        wanted = yield from diff.make_clone(form, label)
        if wanted.refusal:
            return None
        # The clone is empty, so nothing is attached: the server answers from the two definitions.
        outcome = yield from attempt(wanted, alter_table(wanted.name, attach_partition_from("all", clone)))
        if outcome.accepted:
            work = AttachWork(diff.live.name, form, alters_of(diff, prepared.sent), settings_of(diff, prepared.sent))
            return AttachProposal(work, prepared.sent)
        if spelled == diff.target.form:
            break
    return None


def _prepare(diff: TableDiff) -> Routine[_Prepared | None]:
    """Make the changes that ALTER can make, in their common order.

    A change with a refused command is left to the new table, with all its commands, and the rest is tried on another
    clone: nothing of it may stay behind, such as a projection that was dropped and not added again.
    """
    live = replace(diff.as_spelled, name=diff.form.name)
    todo: list[Change] = [change for change in diff.changes if change.commands]
    for number in range(_MOST_REFUSED):
        clone = yield from diff.make_clone(live, f"attach{number or ''}")
        sending = yield from send_batches(diff, clone, batches(todo))
        if sending.refused is None:
            return _Prepared(clone, sending.sent)
        if sending.refused.phase is Phase.WRITE_OLD_VALUES:
            return None  # the new table's default is another value for rows of parts without the column
        if sending.refused.phase in _COLUMNS and any(
            isinstance(change, AddColumn) and (change.written or change.behind) for change in todo
        ):
            return None  # such a column would be written before the new table changes what it reads, or not at all
        todo = [change for change in todo if sending.refused not in change.commands]
    return None
