"""What happened to a table since it replaced another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.apply.rollback.chain import ChainTable, came_while_live, count, count_own_rows
from aaiclick.apply.rollback.columns import Link
from aaiclick.apply.rollback.reattached import BLOCK, find_reattached
from aaiclick.clickhouse.mutations import reads_rows
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.statements import ask
from aaiclick.clickhouse.tables import require_table
from aaiclick.diff.merging import combines_rows
from aaiclick.errors import ApplyError
from aaiclick.printable import rows_text, rows_that, verb_for
from aaiclick.routine import Routine, Rows, flag, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.quoting import qualified
from aaiclick.state.kept_tables import KeptComment
from aaiclick.state.replicated.base_blocks import base_in, base_sql


@dataclass(frozen=True, slots=True)
class SinceThen:
    """What happened to a table since it replaced another one.

    ``words``: what was deleted or changed; '' for nothing. ``left_out``: a condition that leaves out rows of the copy
    that have another block number now. ``blocked``: why they cannot be told apart; '' where they can. ``combined``:
    rows of parts that merges have made of the copy and of later ones.
    """

    words: str
    left_out: str = ""
    blocked: str = ""
    combined: int = 0


def since_then(database: str, link: Link, before: ChainTable, table: ChainTable, parts_of: str) -> Routine[SinceThen]:
    """Ask for mutations, and count rows as well: the engine forgets finished mutations after a while."""
    kept = link.row.kept
    rows = yield from ask(
        "SELECT command, toUnixTimestamp(create_time) >= {since:Int64} AS later, arrayStringConcat("
        "arrayMap((each, number) -> concat(each, ' ', toString(number)), block_numbers.partition_id, "
        "block_numbers.number), '\\n') FROM system.mutations WHERE database = "
        "unhex({db:String}) AND table = unhex({name:String}) ORDER BY create_time, mutation_id",
        {"db": hexed(database), "name": hexed(table.name), "since": kept.earliest // 1000},
    )
    # Mutations of columns and indexes are left out: they delete and change no row.
    said = [text(command) for command, later, *_ in rows if flag(later) and reads_rows(text(command))]
    live = yield from parts((yield from require_table(database, table.name)))
    if said:
        words = f"rows were changed ({'; '.join(said[:3])})"
    # A lightweight UPDATE is no mutation: it leaves patch parts.
    elif any(part.patch for part in live):
        words = "rows were updated"
    else:
        words = _rewritten(kept, live, _numbers(rows))
    if kept.base is None:
        return SinceThen(words)
    if table.form.engine.removeprefix("Replicated") != "MergeTree" or link.filtered:
        # Merges of such an engine, or a filter, leave fewer rows as well: a count would say nothing.
        gone = yield from _gone_partition(database, link, before, table, live)
        combined = combined_rows(kept, live) if combines_rows(table.form) else 0
        return SinceThen("; ".join(each for each in (words, gone) if each), combined=combined)
    # Counted, because ``system.mutations`` keeps only the last finished ones (``finished_mutations_to_keep``).
    left = yield from count(qualified(database, table.name), f"{BLOCK} <= {base_sql(kept.base, kept.bases)}{parts_of}")
    missing = (yield from count_own_rows(database, before)) - left
    # No row of the copy is missing. An UPDATE would leave their number as it is: mutations and patch parts tell of
    # those.
    if not missing:
        return SinceThen(words)
    if missing < 0:
        return SinceThen(
            words,
            blocked=f"the kept table {before.name} lacks {rows_text(-missing)} that it had when it was set aside "
            "(deleted, or a partition of it was detached), and would come back without them",
        )
    if kept.replicated:
        # Numbers of blocks are given in each partition anew: those of a partition that was attached again tell nothing.
        return SinceThen(
            words,
            blocked=f"{rows_text(missing)} of {kept.table} that {verb_for(missing, 'were')} copied "
            f"{verb_for(missing, 'are')} not where {'it was' if missing == 1 else 'they were'} (deleted, or the "
            "partition was detached and attached again), and nobody can tell which rows came since",
        )
    deleted = f" ({'; '.join(said[:3])})" if said else ""
    return (yield from _missing_rows(database, link, before, table, parts_of, missing, kept.base, words, deleted))


def combined_rows(kept: KeptComment, live: Sequence[Part]) -> int:
    """Rows of parts that merges have made of the copy and of what came since; 0 for none.

    One row made of an earlier and a later one counts as copied, by its block number: what the later one brought would
    be lost with it.
    """
    if kept.base is None:
        return 0
    return sum(part.rows for part in live if not part.patch and _is_mixed(kept, part))


def combined_words(rows: int) -> str:
    """What that is for a rollback."""
    return (
        f"merges have put rows that came since together with earlier ones ({rows_text(rows)} now), and where they made "
        "one row of both, what the later one brought would be lost"
    )


def require_not_combined(kept: KeptComment, live: Sequence[Part]) -> None:
    """Raise ApplyError where merges have made one row of earlier and later ones since that was counted, and nobody was
    asked. ``live``: the parts of which what came since is copied."""
    if rows := combined_rows(kept, live):
        raise ApplyError(
            f"{kept.table}: since this was planned {combined_words(rows)}. Nothing was changed. Run again: the next "
            f"plan asks for 'deletes {kept.table}'"
        )


def _is_mixed(kept: KeptComment, part: Part) -> bool:
    return part.first <= base_in(kept.base, kept.bases, part.partition) < part.last


def _missing_rows(
    database: str,
    link: Link,
    before: ChainTable,
    table: ChainTable,
    parts_of: str,
    missing: int,
    base: int,
    words: str,
    deleted: str,
) -> Routine[SinceThen]:
    """Whether the rows of the copy that are ``missing`` were deleted, or are there again under later block numbers.

    ``words``: what is known of changes. ``deleted``: the mutations, behind how many rows were deleted.
    """
    kept = link.row.kept
    late = yield from came_while_live(database, before)
    again = yield from find_reattached(
        database,
        (before.name, before.form, late),
        (table.name, table.form, parts_of),
        link.forward,
        link.renames,
        base,
    )
    if again.mixed or again.rows > missing:
        twice = (
            f"{rows_text(again.mixed or again.rows)} of the copy {verb_for(again.mixed or again.rows, 'are')} in "
            f"{kept.table} under later block numbers, among others"
        )
        twice += " (a partition was detached and attached again?)"
        return SinceThen(
            words, blocked=f"{twice}: nobody can tell them from rows that came since, and they would be there twice"
        )
    if missing > again.rows:
        words = f"{rows_that(missing - again.rows, 'were deleted')}{deleted}"
        words += (
            f" (whether they are there again under later block numbers is not known: {again.problem})"
            if again.problem
            else ""
        )
    return SinceThen(words, again.condition)


def _numbers(rows: Rows) -> frozenset[tuple[str, int]]:
    """The numbers of the mutations that the server still lists, each with its partition ('': all of them)."""
    return frozenset(
        (partition, int(block))
        for *_, numbers in rows
        for partition, _, block in (line.partition(" ") for line in text(numbers).splitlines())
    )


def _rewritten(kept: KeptComment, live: Sequence[Part], known: frozenset[tuple[str, int]]) -> str:
    """A sentence where parts with copied rows were changed since by something that has left no other trace; '' where
    none was.

    A merge that writes down a lightweight UPDATE gives its part the number of that update as its data version, and the
    patch part is gone some seconds later. The server forgets finished mutations as well.
    """
    if kept.base is None:
        return ""
    for part in live:
        base = base_in(kept.base, kept.bases, part.partition)
        listed = known & {("", part.version), (part.partition, part.version)}
        if not part.patch and part.first <= base < part.version and not listed:
            return "rows were updated (or changed by a mutation that the server does not list any more)"
    return ""


def _gone_partition(
    database: str, link: Link, before: ChainTable, table: ChainTable, live: Sequence[Part]
) -> Routine[str]:
    """A sentence on partitions whose copied rows are gone; '' for none. For tables whose merges remove rows, where a
    count would show nothing.

    If the new table has only later parts of such a partition, it was dropped, or it was detached and attached again;
    then its rows would be there twice.
    """
    kept = link.row.kept
    assert before.kept is not None
    # With another key no partition of the one is a partition of the other.
    if kept.base is None or before.form.partition_by != table.form.partition_by:
        return ""
    old = before.present((yield from parts((yield from require_table(database, before.name, before.kept.uuid)))))
    mine = {part.partition for part in live if not part.patch}
    held = {
        part.partition
        for part in live
        if not part.patch and part.first <= base_in(kept.base, kept.bases, part.partition)
    }
    gone = sorted({part.partition for part in old} & mine - held)
    if not gone:
        return ""
    listed = ", ".join(gone[:3]) + (" ..." if len(gone) > 3 else "")
    return f"partition {listed} was dropped, or detached and attached again (then its rows would be there twice)"
