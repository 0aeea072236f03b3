"""Compares what an expression gives for every live row with what it gives for the row as the copy would write it.

All comparisons of a step are made in one pass. Bytes are compared, not values: a DateTime and a UInt32 are the same
key on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.messages import first_line, shortened
from aaiclick.clickhouse.shared.ask_shards import ask_shards, first_text
from aaiclick.errors import StatementError
from aaiclick.plan.proof.bytes_on_disk import same_kind, same_order
from aaiclick.plan.proof.column_uses import ColumnUse
from aaiclick.plan.proof.rows import COMPARE_SETTINGS, future_rows
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine, number
from aaiclick.sql.quoting import quote_name

_PREFIX = "_aaiclick_old_"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Expressions over the live row (``old``) and over the row as it will be (``new``), pair by pair. ``partition``:
    both also have to give the same partition."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    partition: bool = False


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The result over all rows.

    ``differs``: number of rows with other bytes, and ``example`` one of them. ``types``: types of each pair.
    ``failed``: the engine's message where it could not be evaluated; '' where it could.
    """

    differs: int = 0
    example: str = ""
    types: tuple[tuple[str, str], ...] = ()
    failed: str = ""

    @property
    def same(self) -> bool:
        """True for equal bytes in every row, of the same kind of type."""
        return not self.failed and not self.differs and all(same_kind(*pair) for pair in self.types)

    @property
    def in_order(self) -> bool:
        """True for equal bytes in every row, in types that sort in the same order."""
        return not self.failed and not self.differs and all(same_order(*pair) for pair in self.types)


def use_comparison(use: ColumnUse) -> Comparison:
    """The comparison for expressions of the definition."""
    return Comparison(use.old, use.new, use.kind == "partition key")


def evaluate(
    diff: TableDiff, data_name: str, comparisons: Sequence[Comparison]
) -> Routine[tuple[ComparisonResult, ...]]:
    """The results. They are computed in one pass; one by one where that fails, so that one which fails does not hide
    the others."""
    if not comparisons:
        return ()
    try:
        return (yield from _pass(diff, data_name, comparisons))
    except StatementError as error:
        # Without a code the connection failed: that says nothing about the expression.
        if error.code == 0:
            raise
        if len(comparisons) == 1:
            return (ComparisonResult(failed=first_line(str(error))),)
    found: list[ComparisonResult] = []
    for comparison in comparisons:
        found.extend((yield from evaluate(diff, data_name, [comparison])))
    return tuple(found)


def _pass(diff: TableDiff, data_name: str, comparisons: Sequence[Comparison]) -> Routine[tuple[ComparisonResult, ...]]:
    # By names of their own: behind the conversion the same column name means the new value.
    carried = {
        _name(place, part): expression
        for place, comparison in enumerate(comparisons)
        for part, expression in enumerate(comparison.old)
    }
    rows = future_rows(
        diff, data_name, [expression for comparison in comparisons for expression in comparison.new], carried
    )
    columns = [column for place, comparison in enumerate(comparisons) for column in _columns(place, comparison)]
    answer = yield from ask_shards(diff.shards, columns, f"FROM {rows.source}", COMPARE_SETTINGS, long=True)
    # One row of each shard: its values are in the order in which _columns asks for them.
    values = list(zip(*answer, strict=True))
    found: list[ComparisonResult] = []
    for comparison in comparisons:
        differs, example, types = (
            sum(map(number, values.pop(0))),
            first_text(values.pop(0)),
            [first_text(values.pop(0)) for _ in (*comparison.old, *comparison.new)],
        )
        pairs = zip(types[: len(comparison.old)], types[len(comparison.old) :], strict=True)
        # An empty table has no row to take the types from; nothing differs there.
        found.append(ComparisonResult(differs, shortened(example), tuple(pair for pair in pairs if all(pair))))
    return tuple(found)


def _name(place: int, part: int) -> str:
    return f"{_PREFIX}{place}_{part}"


def _columns(place: int, comparison: Comparison) -> list[str]:
    old = [quote_name(_name(place, part)) for part in range(len(comparison.old))]
    # RowBinary gives the bytes of a value: NaN equals itself, and a zero has a sign.
    differs = f"formatRow('RowBinary', {', '.join(old)}) != formatRow('RowBinary', {', '.join(comparison.new)})"
    # The name of a partition also goes by the type: 20240101 of a Date, 19723 of the same number as UInt16.
    if comparison.partition:
        differs = f"({differs} OR partitionID({', '.join(old)}) != partitionID({', '.join(comparison.new)}))"
    example = (
        f"anyIf(concat(toString(tuple({', '.join(old)})), ' -> ', toString(tuple({', '.join(comparison.new)}))), "
        f"{differs})"
    )
    types = [f"any(toTypeName({expression}))" for expression in (*old, *comparison.new)]
    return [f"toUInt64(countIf({differs}))", example, *types]
