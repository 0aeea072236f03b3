"""Checks that skip indexes, projections and TTLs can be computed for the rows that are there.

An ALTER takes any expression that the server can analyse. Where an index or a TTL fails on a row (a text that does not
parse) no part with that row can be merged any more; and a mutation that fills it, or a projection, fails at each
further try. A clone with parts shows that of some parts of one host only, so the rows of every shard are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import TableForm
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.indexes import ChangeIndex
from aaiclick.diff.changes.projections import ChangeProjection
from aaiclick.diff.changes.ttl import ChangeColumnTtl, ChangeTtl, keeps_all
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.data_checks.expressions import failure_on_rows, hashed, no_conversion
from aaiclick.plan.proof.column_uses import ttl_expressions
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.nondeterministic import called
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.rehearsal.on_parts import written_refused
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned

_TOTAL = frozenset(
    {"lower", "upper", "length", "empty", "notempty", "mapkeys", "mapvalues", "cityhash64", "siphash64", "tuple"}
    | {"and", "or", "not", "if", "ifnull", "coalesce", "isnull", "isnotnull", "tostring", "reverse", "abs"}
)
"""Functions that give something for every value of a type that they take."""
_OF_TIME = frozenset({"todate", "todate32", "todatetime", "toyyyymm", "toyyyymmdd", "toyear", "tomonth", "tomonday"})
"""The same of a date or a moment; of a text they may fail."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Something of the target's definition that is computed of each row."""

    words: str
    expressions: tuple[str, ...]


def failing_kept(diff: TableDiff, data_name: str) -> Routine[tuple[str, Cost]]:
    """A sentence for each one that fails on a row ('' for none), and what it cost to find out. Nothing is looked at
    where that would read more than is allowed: no value that is there changes by it."""
    if not diff.live.rows or diff.reads_no_rows or diff.live.predicted:
        return "", Cost()
    problems = [(yield from _projections(diff, data_name))]
    wanted = [each for each in _computed(diff) if not _is_total(each.expressions, diff.target.form)]
    cost = Cost()
    if wanted:
        expressions = [expression for each in wanted for expression in each.expressions]
        rows = future_rows(diff, data_name, expressions, {})
        cost = yield from cost_of(diff, data_name, rows.read, ("skip indexes and TTLs",))
        if cost.open:
            return problems[0], Cost()
        # All of them in one pass; one by one only where that fails.
        if (yield from failure_on_rows(diff.shards, [hashed(*expressions)], f"FROM {rows.source}")):
            for each in wanted:
                problems.append((yield from _problem(diff, data_name, each)))
    return "; ".join(problem for problem in problems if problem), cost


def _problem(diff: TableDiff, data_name: str, kept: _Kept) -> Routine[str]:
    one, value = f"FROM {future_rows(diff, data_name, kept.expressions, {}).source}", [hashed(*kept.expressions)]
    said = yield from failure_on_rows(diff.shards, value, one)
    # Over no rows only the analysis can fail: an earlier step of the plan makes what the expression needs.
    analysed = (yield from failure_on_rows(diff.shards, value, f"{one} WHERE 0")) if said else ""
    if not said or (analysed and not no_conversion(analysed)):
        return ""
    return (
        f"{kept.words} cannot be computed for the rows that are there, and parts that hold them could not be merged "
        f"any more (the engine: {said.partition(': while executing')[0]})"
    )


def _computed(diff: TableDiff) -> Iterator[_Kept]:
    """Skip indexes that are new or read a column of another type, and TTLs that give other moments."""
    form = diff.target.form
    retyped = _retyped(diff)
    new = {change.new.name for change in diff.changes if isinstance(change, ChangeIndex) and change.new is not None}
    for index in form.indexes:
        if index.name in new or mentioned(index.expression, retyped):
            yield _Kept(f"the index {index.name} ({index.expression})", (index.expression,))
    for change in diff.changes:
        if (
            isinstance(change, ChangeTtl | ChangeColumnTtl)
            and change.new
            and not (change.old and keeps_all(change.old, change.new))
        ):
            name = f" of {change.name}" if isinstance(change, ChangeColumnTtl) else ""
            yield _Kept(f"the TTL{name} ({change.new})", ttl_expressions(change.new))


def _retyped(diff: TableDiff) -> frozenset[str]:
    names = {change.new.name for change in diff.changes if isinstance(change, RetypeColumn)}
    return through_aliases(diff.target.form, names) if names else frozenset()


def _is_total(expressions: Sequence[str], form: TableForm) -> bool:
    """True where no row can make them fail."""
    return all(_gives(expression, form) for expression in expressions)


def _gives(expression: str, form: TableForm) -> bool:
    functions = {name.lower() for name in called(expression)} - _TOTAL
    functions = {name for name in functions if not name.startswith("tointerval")}
    read = mentioned(expression, [column.name for column in form.columns])
    types = [column.type for column in form.columns if column.name in read]
    of_time = all(kind.removeprefix("Nullable(").startswith("Date") for kind in types)
    if of_time:
        functions -= _OF_TIME | {"todatetime64", "toint64"}
        functions = {name for name in functions if not name.startswith("tostartof")}
    return not functions and "%" not in expression


def _projections(diff: TableDiff, data_name: str) -> Routine[str]:
    """Tried with a thousand rows of each shard: what a projection groups or sorts is more than a count."""
    retyped = _retyped(diff)
    changes = [
        change.new for change in diff.changes if isinstance(change, ChangeProjection) and not change.only_settings
    ]
    new = {projection.name for projection in changes if projection is not None}
    problems: list[str] = []
    for projection in diff.target.form.projections:
        if projection.name in new or mentioned(projection.body, retyped):
            said = yield from written_refused(diff, data_name, projection)
            if said:
                problems.append(
                    f"the projection {projection.name} cannot be computed for the rows that are there (the engine: "
                    f"{said.partition(': while executing')[0]})"
                )
    return "; ".join(problems)
