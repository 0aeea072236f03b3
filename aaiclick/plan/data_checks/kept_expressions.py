"""Checks that skip indexes, projections and TTLs can be computed for the rows that are there.

An ALTER takes any expression that the server can analyse. Where an index or a TTL fails on a row (a text that does not
parse) no part with that row can be merged any more; and a mutation that fills it, or a projection, fails at each
further try. A clone with parts shows that of some parts of one host only, so the rows of every shard are asked. What a
TTL computes of groups of rows is in ``grouped_ttls.py``, what an index does not take in ``index_builds.py``, and what
an engine that combines rows does not take in ``merge_marks.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from aaiclick.catalog.forms import IndexForm, TableForm
from aaiclick.diff.changes.column_default import ChangeDefault
from aaiclick.diff.changes.column_type import RetypeColumn
from aaiclick.diff.changes.indexes import ChangeIndex
from aaiclick.diff.changes.projections import ChangeProjection
from aaiclick.diff.changes.ttl import ChangeColumnTtl
from aaiclick.diff.reached import through_aliases
from aaiclick.plan.data_checks.expressions import failure_on_rows, hashed
from aaiclick.plan.data_checks.grouped_ttls import failing_groups
from aaiclick.plan.data_checks.index_builds import preprocessed, unbuildable
from aaiclick.plan.data_checks.merge_marks import unmergeable_marks
from aaiclick.plan.data_checks.unmergeable import changed_ttls, failure_of_rows, unmergeable
from aaiclick.plan.proof.column_uses import ttl_expressions
from aaiclick.plan.proof.cost import Cost, cost_of
from aaiclick.plan.proof.nondeterministic import called
from aaiclick.plan.proof.rows import future_rows
from aaiclick.plan.rehearsal.on_parts import written_refused
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.routine import Routine
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import quote_string

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
    """A sentence for each one that fails on a row ('' for none), and what it cost to find out. Where that would read
    more than is allowed, an expression counts as one that gives something for every row: no value that is there changes
    by it. What is known to refuse rows (a TTL that sets columns, an index of vectors) stays open then."""
    if not diff.live.rows or diff.live.predicted:
        return "", Cost()
    retyped = _retyped(diff)
    problems, cost = ((), Cost()) if diff.reads_no_rows else (yield from _failing(diff, data_name, retyped))
    # One that cannot be computed is told of once.
    told = [each for each in _indexes(diff, retyped) if not any(f"the index {each.name} (" in one for one in problems)]
    for look in (
        failing_groups(diff, data_name, retyped),
        unbuildable(diff, data_name, told),
        unmergeable_marks(diff, data_name),
    ):
        problem, read = yield from look
        problems, cost = (*problems, problem), cost.plus(read)
    return "; ".join(problem for problem in problems if problem), cost


def _failing(diff: TableDiff, data_name: str, retyped: Collection[str]) -> Routine[tuple[tuple[str, ...], Cost]]:
    problems = [(yield from _projections(diff, data_name, retyped))]
    wanted = [each for each in _computed(diff, retyped) if not _is_total(each.expressions, diff.target.form)]
    cost = Cost()
    if wanted:
        expressions = [expression for each in wanted for expression in each.expressions]
        rows = future_rows(diff, data_name, expressions, {})
        cost = yield from cost_of(diff, data_name, rows.read, ("skip indexes and TTLs",))
        if cost.open:
            return tuple(problems), Cost()
        # All of them in one pass; one by one only where that fails.
        if (yield from failure_on_rows(diff.shards, [hashed(*expressions)], f"FROM {rows.source}")):
            for each in wanted:
                problems.append((yield from _problem(diff, data_name, each)))
    return tuple(problems), cost


def _problem(diff: TableDiff, data_name: str, kept: _Kept) -> Routine[str]:
    one = f"FROM {future_rows(diff, data_name, kept.expressions, {}).source}"
    said = yield from failure_of_rows(diff.shards, [hashed(*kept.expressions)], one, f"{one} WHERE 0")
    return unmergeable(kept.words, said) if said else ""


def _computed(diff: TableDiff, retyped: Collection[str]) -> Iterator[_Kept]:
    """Skip indexes that are new or read a column of another type, TTLs that give other moments, and what a TTL leaves
    of a column."""
    for index in _indexes(diff, retyped):
        yield _Kept(f"the index {index.name} ({index.expression})", (index.expression, *preprocessed(index)))
    for change in changed_ttls(diff):
        name = f" of {change.name}" if isinstance(change, ChangeColumnTtl) else ""
        yield _Kept(f"the TTL{name} ({change.new})", ttl_expressions(change.new))
    others = {change.name for change in changed_ttls(diff) if isinstance(change, ChangeColumnTtl)}
    others |= {change.new.name for change in diff.changes if isinstance(change, ChangeDefault)}
    for column in diff.target.form.columns:
        # A merge computes it for every row of a part that holds one which is past the TTL.
        reads = mentioned(column.expression, _names(diff.target.form)) if column.ttl and column.stored else ()
        if reads and (column.name in {*others, *retyped} or mentioned(column.expression, retyped)):
            value = f"CAST({column.expression}, {quote_string(column.type)})"
            yield _Kept(f"what the TTL of {column.name} leaves of it ({column.expression})", (value,))


def _indexes(diff: TableDiff, retyped: Collection[str]) -> list[IndexForm]:
    new = {change.new.name for change in diff.changes if isinstance(change, ChangeIndex) and change.new is not None}
    return [each for each in diff.target.form.indexes if each.name in new or mentioned(each.expression, retyped)]


def _retyped(diff: TableDiff) -> frozenset[str]:
    names = {change.new.name for change in diff.changes if isinstance(change, RetypeColumn)}
    return through_aliases(diff.target.form, names) if names else frozenset()


def _is_total(expressions: Sequence[str], form: TableForm) -> bool:
    """True where no row can make them fail."""
    return all(_gives(expression, form) for expression in expressions)


def _gives(expression: str, form: TableForm) -> bool:
    functions = {name.lower() for name in called(expression)} - _TOTAL
    functions = {name for name in functions if not name.startswith("tointerval")}
    read = mentioned(expression, _names(form))
    types = [column.type for column in form.columns if column.name in read]
    of_time = all(kind.removeprefix("Nullable(").startswith("Date") for kind in types)
    if of_time:
        functions -= _OF_TIME | {"todatetime64", "toint64"}
        functions = {name for name in functions if not name.startswith("tostartof")}
    return not functions and "%" not in expression


def _names(form: TableForm) -> list[str]:
    return [column.name for column in form.columns]


def _projections(diff: TableDiff, data_name: str, retyped: Collection[str]) -> Routine[str]:
    """Tried with a thousand rows of each shard: what a projection groups or sorts is more than a count."""
    changes = [
        change.new for change in diff.changes if isinstance(change, ChangeProjection) and not change.only_settings
    ]
    new = {projection.name for projection in changes if projection is not None}
    problems: list[str] = []
    for projection in diff.target.form.projections:
        if projection.name in new or mentioned(projection.body, retyped):
            said = yield from written_refused(diff, data_name, projection.name, [projection], [])
            if said:
                problems.append(
                    f"the projection {projection.name} cannot be computed for the rows that are there (the engine: "
                    f"{said.partition(': while executing')[0]})"
                )
    return "; ".join(problems)
