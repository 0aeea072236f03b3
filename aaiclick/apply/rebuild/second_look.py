"""The counts by which a plan knows that merges combine no other rows, made again before the change.

The plan counts while writers go on, on hosts that may lack what others have taken. What came since is in the copy, and
the first merge of the new table would combine it, unasked. So rows are counted once more before writers are refused;
behind that only those which rows of newer parts could meet, because everybody waits. On one host the plan notes up to
which block number it has counted: where no newer part is there, nothing is counted again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

from aaiclick.clickhouse.messages import raise_uncounted
from aaiclick.clickhouse.parts import Part, parts
from aaiclick.clickhouse.statements import ask_permissively
from aaiclick.clickhouse.tables import Physical
from aaiclick.errors import ApplyError, StatementError
from aaiclick.plan.operations import PARTS, MergeLook
from aaiclick.printable import allow_flag
from aaiclick.routine import Query, Routine, number

Counts: TypeAlias = Sequence[Sequence[int]]
"""Of one host: the counts of each look."""
_MANY = 500
"""More new parts than this are not named one by one: then all rows are counted."""


def count_all(table: Physical, looks: Sequence[MergeLook], seen: int = 0) -> Routine[tuple[Counts, frozenset[str]]]:
    """The counts over the rows of the table on the host that is asked, and the parts that it had before that. ``seen``:
    the block number up to which the plan has counted; 0: all rows are counted."""
    # Before the counts: a part that comes in between is counted twice, and never left out.
    present = yield from parts(table)
    return (yield from _count(table, looks, present, seen)), frozenset(part.name for part in present)


def count_near_newer(
    table: Physical, looks: Sequence[MergeLook], known: Collection[str], seen: int = 0
) -> Routine[Counts]:
    """The counts of what rows of parts could meet that are neither ``known`` nor up to ``seen``: the others were
    counted before."""
    present = yield from parts(table)
    return (yield from _count(table, looks, [part for part in present if part.name not in known], seen, bool(known)))


def _count(
    table: Physical, looks: Sequence[MergeLook], present: Sequence[Part], seen: int, others: bool = False
) -> Routine[Counts]:
    """The counts of what rows of these parts could meet, but for those up to ``seen``; ``others``: the table has parts
    that are not among them, and were counted before."""
    newer = [part for part in present if not _counted(part, seen)]
    if not newer:
        return [[0] * len(look.columns) for look in looks]
    # What a lightweight update has changed are rows of parts of all ages.
    by_name = (others or seen) and len(newer) <= _MANY and not any(part.patch for part in newer)
    named = ",".join(part.name for part in newer) if by_name else ""
    found: list[list[int]] = []
    for look in looks:
        found.append((yield from _counts(table, look, named)))
    return found


def _counted(part: Part, seen: int) -> bool:
    """Whether the plan has counted the rows of a part as they are now. INSERTs and mutations take their numbers from
    one sequence, and a merge keeps those of its rows; a patch part changes rows of others."""
    return max(part.last, part.version) <= seen and not part.patch


def look_at_all(table: Physical, looks: Sequence[MergeLook], seen: int = 0) -> Routine[frozenset[str]]:
    """Count the rows; the parts that are looked at. ``seen``: as ``count_all``. Raises ApplyError where merges would
    combine some unasked."""
    if not looks:
        return frozenset()
    found, known = yield from count_all(table, looks, seen)
    require_none(table.name, looks, [found])
    return known


def look_at_newer(table: Physical, looks: Sequence[MergeLook], known: Collection[str], seen: int = 0) -> Routine[None]:
    """The same of the rows that have come since ``look_at_all``, or since the plan."""
    if looks:
        require_none(table.name, looks, [(yield from count_near_newer(table, looks, known, seen))])


def require_none(name: str, looks: Sequence[MergeLook], counts: Sequence[Counts]) -> None:
    """Raise ApplyError, with the sentence that the plan would have had, where a look has found something. ``counts``:
    those of each shard."""
    for place, look in enumerate(looks):
        # Merges combine rows of one shard only.
        sums = [sum(values) for values in zip(*(shard[place] for shard in counts), strict=True)]
        hazard = look.found(sums)
        if hazard is not None:
            raise ApplyError(
                f"{name}: {hazard.kind}: {hazard.message}. Some of these rows came in after the count. Nothing was "
                f"exchanged, and the table is as it was. To allow it: aaiclick migrate {allow_flag(hazard.allow)}"
            )


def _counts(table: Physical, look: MergeLook, newer: str) -> Routine[list[int]]:
    """``newer``: the names of the parts whose rows the others could meet; '' for all rows."""
    near = bool(newer and look.near)
    sql = f"SELECT {', '.join(look.columns)} FROM {look.near if near else look.source}"
    bound = {PARTS: newer} if near else {}
    try:
        rows = yield from ask_permissively(Query(sql, bound, dict(look.settings), long=True))
    except StatementError as error:
        raise_uncounted(table.name, "merges combine them", error)
    return list(map(number, rows[0]))
