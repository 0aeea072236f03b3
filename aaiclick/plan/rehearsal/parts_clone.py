"""A clone of a live table that holds some of its parts as hard links.

The live table is only read: ATTACH PARTITION takes a shared lock on it, and stops no merge of it. The clone starts
no merge, and no TTL deletes a row of it. Mutations run where its parts are small. On large parts they stay pending,
so only the server's answer to the statement itself is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aaiclick.catalog.forms import TableForm
from aaiclick.clickhouse.merges import NO_MERGES
from aaiclick.error_codes import ACCESS_DENIED, LIMITS, READONLY
from aaiclick.errors import StatementError
from aaiclick.plan.rehearsal.cache import AcceptedBatch
from aaiclick.plan.rehearsal.empty_clone import REHEARSE, Clone, Outcome
from aaiclick.plan.rehearsal.sample import live_parts, partitions, smallest_of_each_kind
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Command, Routine
from aaiclick.sql.clauses import attach_partition_from, drop_part
from aaiclick.sql.ddl import alter_table, system
from aaiclick.sql.quoting import qualified

RUN_BYTES = 64 << 20
"""The mutations of a sample of more bytes are left pending."""
PATCHED = "it has updates that are not applied yet (patch parts), which cannot be attached"
"""Why no other table can take over such parts."""
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PartsClone:
    """A clone with parts. ``partitions`` are its partition ids. ``pending``: mutations do not run on it."""

    clone: Clone
    partitions: tuple[str, ...]
    pending: bool


@dataclass(frozen=True, slots=True)
class NoPartsClone:
    """No such clone could be made. ``refusal``: why the parts of the live table cannot be attached to any table; ''
    where that is not known."""

    refusal: str = ""


def make_parts_clone(diff: TableDiff, source: str, label: str) -> Routine[PartsClone | NoPartsClone]:
    """Make a clone of the live table (now called ``source``) with some of its parts."""
    columns = len(diff.form.columns)
    parts = yield from live_parts(diff.database, source, diff.live.parts, columns)
    chosen = partitions(parts, columns)
    if not chosen:
        patched = any(part.patch for part in parts)
        return NoPartsClone(PATCHED if patched else "")
    # In the server's own spelling: ATTACH compares the texts of two definitions.
    form = replace(diff.as_spelled, name=diff.form.name)
    # Without merges from its first moment: a part that is merged away is none that the live table has.
    clone = yield from diff.make_clone(_still(form), label)
    for partition in chosen:
        try:
            # The clone gets hard links to the parts: nothing is copied, and the live table keeps them.
            yield Command(
                alter_table(clone.name, attach_partition_from(partition, qualified(diff.database, source))),
                settings=REHEARSE,
            )
        except StatementError as error:
            if error.code == 0:
                raise
            # A missing right or a limit says nothing about the parts.
            return NoPartsClone("" if error.code in LIMITS | {ACCESS_DENIED, READONLY} else str(error))
    # ATTACH gives parts new names, so those of the clone have to be asked for.
    attached = yield from live_parts(clone.database, clone.table, len(parts), columns)
    # Only whole partitions can be attached, so the parts that are not needed are dropped from the clone again.
    stays = smallest_of_each_kind(attached)
    gone = [part for part in attached if part not in stays]
    if gone:
        yield Command(alter_table(clone.name, *(drop_part(part.name) for part in gone)), settings=REHEARSE)
    pending = sum(part.bytes for part in stays) > RUN_BYTES
    # Without the right to stop them, a mutation of large parts would run here as long as on the live table.
    if pending and not (yield from _stopped(clone)):
        return NoPartsClone()
    return PartsClone(clone, tuple(sorted({part.partition for part in stays})), pending)


def replay_alters(diff: TableDiff, loaded: PartsClone, sent: Sequence[AcceptedBatch]) -> Routine[Outcome]:
    """Send batches that an empty clone accepted; the first refusal, of a statement or its mutation. A limit decides
    nothing."""
    clone = loaded.clone
    for each in sent:
        # On a clone whose merges are stopped no mutation ends: waiting for one would take all of the time limit.
        sync = 0 if loaded.pending else 1
        settings: dict[str, str | int] = {
            **REHEARSE,
            "alter_sync": sync,
            "mutations_sync": sync,
            "max_execution_time": _SECONDS,
            **dict(each.settings),
        }
        try:
            yield Command(each.batch.sql(clone.name, diff.parenthesise), settings=settings)
        except StatementError as error:
            if error.code == 0:
                raise
            return Outcome(error.code in LIMITS, code=error.code, message=str(error))
        if loaded.pending and each.mutates:
            break  # behind an unfinished mutation the server refuses ALTERs for that reason alone
    return Outcome(True)


def attach_parts(loaded: PartsClone, target: Clone) -> Routine[Outcome]:
    """Let a table take over the parts of the clone."""
    for partition in loaded.partitions:
        try:
            yield Command(
                alter_table(target.name, attach_partition_from(partition, loaded.clone.name)), settings=REHEARSE
            )
        except StatementError as error:
            if error.code == 0:
                raise
            return Outcome(error.code in LIMITS, code=error.code, message=str(error))
    return Outcome(True)


def _stopped(clone: Clone) -> Routine[bool]:
    try:
        # This stops mutations as well as merges. It belongs to the storage of the clone, and ends with it.
        yield Command(system("STOP MERGES", clone.name))
    except StatementError as error:
        if error.code == 0:
            raise
        return False
    return True


def _still(form: TableForm) -> TableForm:
    held = {name for name, _ in NO_MERGES}
    return replace(form, settings=(*(pair for pair in form.settings if pair[0] not in held), *NO_MERGES))
