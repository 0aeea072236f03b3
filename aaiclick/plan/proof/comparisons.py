"""Looks: what a reader's expression gives for every live row, and for the same row as the copy would write it.

All looks of a step are made in one pass. Bytes are compared, not values: a key that is a DateTime here and a UInt32 there is the same on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.errors import StatementError
from aaiclick.plan.data_checks.checks import first_line
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.kinds import same_kind, same_order
from aaiclick.plan.proof.rows import LOOK, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Query, Routine, number, text
from aaiclick.server.messages import shortened
from aaiclick.sql.quoting import quote_name

_PREFIX = "_aaiclick_old_"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: ``old`` over the live row, ``new`` over the row as it will be, expression by expression. ``partition``: the two have
    to give the same partition, too."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    partition: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """What a look saw: for how many rows the two differ in bytes, one of them, and the types of the expressions on both sides.
    ``failed``: the engine's sentence where it could not be evaluated."""

    differs: int = 0
    example: str = ""
    types: tuple[tuple[str, str], ...] = ()
    failed: str = ""

    @property
    def same(self) -> bool:
        """Equal bytes in every row, of the same kind."""
        return not self.failed and not self.differs and all(same_kind(*pair) for pair in self.types)

    @property
    def in_order(self) -> bool:
        """Equal bytes in every row, that stand in the same order."""
        return not self.failed and not self.differs and all(same_order(*pair) for pair in self.types)


def use_comparison(use: ColumnUse) -> Comparison:
    """The look at a reader's expressions."""
    return Comparison(use.old, use.new, use.kind == "partition key")


def evaluate(diff: TableDiff, data_name: str, looks: Sequence[Comparison]) -> Routine[tuple[ComparisonResult, ...]]:
    """Make the looks, all in one pass; one by one where that fails, so that one that cannot be evaluated does not spoil the others."""
    if not looks:
        return ()
    try:
        return (yield from _pass(diff, data_name, looks))
    except StatementError as error:
        if error.code == 0:
            raise
        if len(looks) == 1:
            return (ComparisonResult(failed=first_line(str(error))),)
    found: list[ComparisonResult] = []
    for look in looks:
        found.extend((yield from evaluate(diff, data_name, [look])))
    return tuple(found)


def _pass(diff: TableDiff, data_name: str, looks: Sequence[Comparison]) -> Routine[tuple[ComparisonResult, ...]]:
    carried = {_name(place, part): expression for place, look in enumerate(looks) for part, expression in enumerate(look.old)}
    rows = future_rows(diff, data_name, [expression for look in looks for expression in look.new], carried)
    columns = [column for place, look in enumerate(looks) for column in _columns(place, look)]
    answer = yield Query(f"SELECT {', '.join(columns)} FROM {rows.source}", {}, LOOK, long=True)
    values = list(answer[0])
    found: list[ComparisonResult] = []
    for look in looks:
        differs, example, types = number(values.pop(0)), text(values.pop(0)), [text(values.pop(0)) for _ in (*look.old, *look.new)]
        pairs = zip(types[: len(look.old)], types[len(look.old) :], strict=True)
        # An empty table has no row that says its types; nothing can differ there.
        found.append(ComparisonResult(differs, shortened(example), tuple(pair for pair in pairs if all(pair))))
    return tuple(found)


def _name(place: int, part: int) -> str:
    return f"{_PREFIX}{place}_{part}"


def _columns(place: int, look: Comparison) -> list[str]:
    old = [quote_name(_name(place, part)) for part in range(len(look.old))]
    differs = f"formatRow('RowBinary', {', '.join(old)}) != formatRow('RowBinary', {', '.join(look.new)})"
    if look.partition:
        differs = f"({differs} OR partitionID({', '.join(old)}) != partitionID({', '.join(look.new)}))"
    example = f"anyIf(concat(toString(tuple({', '.join(old)})), ' -> ', toString(tuple({', '.join(look.new)}))), {differs})"
    types = [f"any(toTypeName({expression}))" for expression in (*old, *look.new)]
    return [f"toUInt64(countIf({differs}))", example, *types]
