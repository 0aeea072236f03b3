"""Evaluates the expressions and the filter of a migration over the live rows, before anything is changed.

An expression that fails on a row would fail in the middle of the copy, and a number that its column cannot hold
would wrap around silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.shared.ask_shards import ask_shards
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.conversion.values import altered_rows, unfit_rows
from aaiclick.error_codes import (
    ILLEGAL_TYPE_OF_ARGUMENT,
    NO_SUCH_COLUMN_IN_TABLE,
    NOT_IMPLEMENTED,
    UNKNOWN_IDENTIFIER,
    UNKNOWN_TABLE,
    is_transient,
)
from aaiclick.errors import StatementError
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.printable import rows_that
from aaiclick.routine import Routine, number, text
from aaiclick.sql.quoting import qualified, quote_string

_INTEGER = re.compile(r"(?:Nullable\()?U?Int\d+\)?\Z")
# ILLEGAL_TYPE_OF_ARGUMENT, NOT_IMPLEMENTED: the engine cannot hash a type. NO_SUCH_COLUMN, UNKNOWN_IDENTIFIER,
# UNKNOWN_TABLE: an earlier step of the plan makes what the expression reads. Nothing is known about the rows then.
_NOT_THE_ROWS = frozenset(
    {NO_SUCH_COLUMN_IN_TABLE, ILLEGAL_TYPE_OF_ARGUMENT, UNKNOWN_IDENTIFIER, NOT_IMPLEMENTED, UNKNOWN_TABLE}
)
_FRACTION = re.compile(r"(?:Nullable\()?(?:B?Float|Decimal)")
_VALUE = "_value"
# A time limit must not stop the count, and with final it would pass by rows that the copy reads.
_PATIENT: dict[str, str | int] = {"max_execution_time": 0, "final": 0}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    raw: str
    type: str

    @property
    def cast(self) -> str:
        return f"CAST({self.raw}, {quote_string(self.type)})"

    @property
    def unfit(self) -> str:
        """True for rows with a value that the column's type cannot hold: NULL, a text that does not parse, a number
        that is too large."""
        lost = f"isNull(accurateCastOrNull({self.raw}, {quote_string(self.type)}))"
        return (
            f"{lost} AND isNotNull({self.raw})"
            if self.type.startswith(("Nullable(", "LowCardinality(Nullable("))
            else lost
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    hosts: Topology
    table: str
    where: str

    @property
    def text(self) -> str:
        return f"FROM {self.table}{self.where}"


@dataclass(frozen=True, slots=True)
class ExpressionFindings:
    """What the evaluation found.

    ``blocked``: a sentence for each expression that fails, with count and example where the engine tells them; ''
    for none. ``clear``: condition, example and problem of conversions that would lose something, and that no row
    needs.
    """

    blocked: str = ""
    clear: tuple[tuple[str, str, str], ...] = ()


def check_expressions(diff: TableDiff, data_name: str) -> Routine[ExpressionFindings]:
    """Evaluate every expression, and the filter, of a migration."""
    form = diff.target.form
    columns = [
        _Column(name, raw, own.type)
        for name, raw in sorted(diff.column_expressions.items())
        if (own := form.column(name)) is not None and own.stored
    ]
    table = qualified(diff.database, data_name)
    # The filter first: where it fails, every count behind it fails as well.
    if diff.where and (
        said := (yield from failure_on_rows(diff.shards, ["count()"], f"FROM {table} WHERE {diff.where}"))
    ):
        return ExpressionFindings(f"the filter {diff.where} fails on its rows (the engine: {said})")
    if not columns:
        return ExpressionFindings()
    # The hash makes the engine compute every value; for a count alone it would not.
    rows = _Rows(diff.shards, table, f" WHERE {diff.where}" if diff.where else "")
    together = yield from failure_on_rows(rows.hosts, [hashed(*(column.cast for column in columns))], rows.text)
    problems: list[str] = []
    clear: list[tuple[str, str, str]] = []
    for column in columns:
        problems.append((yield from _problem(column, rows, clear, failing=bool(together))))
    return ExpressionFindings("; ".join(problem for problem in problems if problem), tuple(clear))


def _problem(column: _Column, over: _Rows, clear: list[tuple[str, str, str]], *, failing: bool) -> Routine[str]:
    if not failing:
        return (yield from _wrapped(column, over, clear))
    said = yield from failure_on_rows(over.hosts, [hashed(column.cast)], over.text)
    if not said:
        return (yield from _wrapped(column, over, clear))
    counted = yield from _count(column, over)
    return counted or f"{column.name} = {column.raw} fails on its rows (the engine: {said})"


def _wrapped(column: _Column, over: _Rows, clear: list[tuple[str, str, str]]) -> Routine[str]:
    """A sentence about values that the copy would change silently: 300 in a UInt8 becomes 44, a day too far away
    becomes 1970.

    Only the fraction of a division may go, where the column holds whole numbers. An expression that converts by
    itself (``round``, ``CAST``) is taken at its word.
    """
    hosts, values = over.hosts, f"FROM (SELECT {column.raw} AS {_VALUE} {over.text})"
    try:
        rows = yield from ask_shards(hosts, [f"toTypeName({_VALUE})"], f"{values} LIMIT 1", _PATIENT)
        made = text(rows[0][0]) if rows else column.type
        conditions = _cut(made, column.type)
        if made == column.type or not conditions:
            return ""
        cut = " OR ".join(f"({each})" for each in conditions)
        rows = yield from ask_shards(hosts, ["count()"], f"{values} WHERE {cut}", _PATIENT, long=True)
        found = sum(number(row[0]) for row in rows)
        if not found:
            problem = f"give a value of {column.name} = {column.raw} that {column.type} cannot hold"
            # A constraint has no subquery, so the value is bound to its name by a lambda.
            clear.append((f"arrayMap({_VALUE} -> ({cut}), [{column.raw}])[1]", f"tuple({column.raw})", problem))
            return ""
        shown_as, where = f"toString(tuple({_VALUE}))", f"{values} WHERE {cut} LIMIT 1"
        example = yield from ask_shards(hosts, [shown_as], where, _PATIENT)
    except StatementError as error:
        if is_transient(error.code):
            raise
        return ""  # nothing is known about the rows, or the types cannot be compared
    shown = text(example[0][0]) if example else ""
    way = "" if _INTEGER.match(made) else ": where that is meant, say it in the expression (round, CAST)"
    return _cannot_hold(column, found, shown) + way


def _cannot_hold(column: _Column, found: int, shown: str) -> str:
    said = rows_that(found, f"give a value of {column.name} = {column.raw} that {column.type} cannot hold")
    return f"{said}, for instance {shown[:200]}"


def _cut(made: str, wanted: str) -> list[str]:
    """Conditions for values of one type that are none of the other."""
    if _INTEGER.match(wanted) and _FRACTION.match(made):
        return [f"isNotNull({_VALUE}) AND isNull(accurateCastOrNull(trunc({_VALUE}), {quote_string(wanted)}))"]
    return [each for each in (unfit_rows(_VALUE, made, wanted), altered_rows(_VALUE, made, wanted)) if each]


def _count(column: _Column, over: _Rows) -> Routine[str]:
    condition = f"{over.where} AND ({column.unfit})" if over.where else f" WHERE {column.unfit}"
    source = f"FROM {over.table}{condition}"
    try:
        rows = yield from ask_shards(over.hosts, ["count()"], source, _PATIENT, long=True)
        found = sum(number(row[0]) for row in rows)
        if not found:
            return ""
        values = [f"toString(tuple({column.raw}))"]
        example = yield from ask_shards(over.hosts, values, f"{source} LIMIT 1", _PATIENT)
    except StatementError as error:
        if is_transient(error.code):
            raise
        return ""
    shown = text(example[0][0]) if example else ""
    return _cannot_hold(column, found, shown)


def hashed(*expressions: str) -> str:
    """An aggregate that makes the engine compute every value."""
    return f"sum(cityHash64(tuple({', '.join(expressions)})))"


def failure_on_rows(hosts: Topology, columns: Sequence[str], rest: str) -> Routine[str]:
    """The engine's message where ``SELECT columns rest`` fails on the rows of a shard; '' where it does not."""
    try:
        yield from ask_shards(hosts, columns, rest, _PATIENT, long=True)
    except StatementError as error:
        if is_transient(error.code):
            raise
        said = first_line(str(error))
        return "" if error.code in _NOT_THE_ROWS and not no_conversion(said) else said
    return ""


def no_conversion(said: str) -> bool:
    """The engine has no such conversion (Int64 to IPv4), whatever the value: no step of a plan makes it."""
    return "Conversion from " in said and " is not supported" in said
