"""Whether the server converts what newer rows hold to the columns of the older table at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aaiclick.apply.rollback.chain import NO_PREWHERE
from aaiclick.catalog.scratch_objects import NOT_THE_DEFINITION
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.refusable import refusals
from aaiclick.clickhouse.statements import READ, ask_permissively, merged
from aaiclick.errors import OutcomeUnknownError, StatementError
from aaiclick.plan.operations import CopyColumn
from aaiclick.routine import Query, Routine, Rows, number, text


def convertible(source: str, columns: Sequence[CopyColumn]) -> Routine[tuple[tuple[CopyColumn, ...], dict[str, str]]]:
    """The columns whose expression the server takes, and for the others why not. No row is read.

    ``source``: the quoted name of the newer table. There is no way back from a JSON to a Tuple, for instance, whatever
    the rows hold.
    """
    asked = yield from refusals(columns, lambda some: _refused(f"SELECT {_listed(some)} FROM {source} WHERE 0"))
    able = tuple(column for column, problem in asked if not problem)
    return able, {column.target: problem for column, problem in asked if problem}


def stuck(source: str, where: str, columns: Sequence[CopyColumn]) -> Routine[str]:
    """What the server says of the first row that does not convert, such as a label that the older Enum lacks; '' where
    all do. What converts to another value is counted elsewhere."""
    if not columns:
        return ""
    # Each expression is evaluated for each row, and its value is not looked at.
    return (yield from _refused(f"SELECT count() FROM {source} WHERE {where} AND NOT ignore({_listed(columns)})"))


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows that meet a condition; ``example``: a value of one of them; ``problem``: why the server cannot tell which
    they are, '' where it can."""

    rows: int = 0
    example: str = ""
    problem: str = ""


def counted(source: str, where: str, condition: str, example: str = "''") -> Routine[Counted]:
    """Count the rows of ``where`` that meet ``condition``; none where it is ''. ``example``: an aggregate over them."""
    if not condition:
        return Counted()
    rows = yield from _answered(f"SELECT count(), {example} FROM {source} WHERE {where} AND ({condition})")
    return Counted(problem=rows) if isinstance(rows, str) else Counted(number(rows[0][0]), text(rows[0][1]))


def _listed(columns: Sequence[CopyColumn]) -> str:
    return ", ".join(column.expression for column in columns) or "1"


def _refused(sql: str) -> Routine[str]:
    rows = yield from _answered(sql)
    return rows if isinstance(rows, str) else ""


def _answered(sql: str) -> Routine[Rows | str]:
    """The rows of the answer, or why the server refuses the query for what it says or for the values that it meets."""
    try:
        return (yield from ask_permissively(Query(sql, {}, merged(READ, dict(NO_PREWHERE)), long=True)))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        # Of a server that is busy nobody learns what it converts: a column that it does not would get its default.
        if error.code in NOT_THE_DEFINITION:
            raise
        return first_line(str(error)).partition(": while executing")[0].partition(": In scope")[0]
