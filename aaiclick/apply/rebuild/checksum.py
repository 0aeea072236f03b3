"""Compares a chunk of the copy with the rows that it was read from, before it is moved anywhere.

The hash of a row is that of one tuple: bare arguments of cityHash64 give NULL as soon as one of them is NULL, and
``sum`` would skip the row. Sums of 64-bit hashes do not depend on the order of rows. Older servers (24.8) cannot hash a
NULL inside a tuple, nor (25.8) a Variant: what they refuse is hashed as text, in which NULL and 'NULL' differ. Both
sides hold the same values, or else differ: so both go one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aaiclick.apply.rebuild.columns import Projected
from aaiclick.clickhouse.refusable import refusals
from aaiclick.clickhouse.statements import READ, ask_permissively, merged
from aaiclick.error_codes import ILLEGAL_TYPE_OF_ARGUMENT, NOT_IMPLEMENTED
from aaiclick.errors import StatementError, VerificationError
from aaiclick.printable import rows_text, rows_that, verb_for
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.quoting import quote_name


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows and the wrapped sum of their hashes."""

    rows: int
    hash: int


def hash_sql(expressions: Sequence[str], as_text: bool = False) -> str:
    """The sum of the hashes of all rows; 0 for no expressions."""
    # Added up and not hashed in order: a copy has other parts than the table, and no order of rows of its own.
    row = f"tuple({', '.join(expressions)})"
    return f"sum(cityHash64({f'toString({row})' if as_text else row}))" if expressions else "toUInt64(0)"


def sums(source: str, where: str, expressions: Sequence[str], settings: Mapping[str, str | int]) -> Routine[Sums]:
    """Count and checksum of the rows of ``source`` (a quoted name) that ``where`` selects ('' for all)."""
    rows = yield from _hashes(source, where, (tuple(expressions),), settings)
    return Sums(rows[0], rows[1])


def _hashes(
    source: str, where: str, groups: Sequence[Sequence[str]], settings: Mapping[str, str | int]
) -> Routine[tuple[int, ...]]:
    """The number of rows, and for each group of expressions the sum of their hashes."""
    condition = f" WHERE {where}" if where else ""

    def asked(as_text: bool) -> Query:
        listed = ", ".join(hash_sql(group, as_text) for group in groups)
        return Query(f"SELECT count(), {listed} FROM {source}{condition}", {}, merged(READ, settings), long=True)

    try:
        rows = yield from ask_permissively(asked(as_text=False))
    except StatementError as error:
        # Some releases cannot hash every type inside a tuple: its text then stands for the value, on both sides.
        if error.code != NOT_IMPLEMENTED:
            raise
        rows = yield from ask_permissively(asked(as_text=True))
    return tuple(number(value) for value in rows[0])


def hashable(source: str, columns: Sequence[Projected], settings: Mapping[str, str | int]) -> Routine[tuple[str, ...]]:
    """The targets that the server can hash: older ones refuse some types."""

    def asked(some: Sequence[Projected]) -> Routine[str]:
        # No row is read: whether a type can be hashed is known before that.
        hashed = hash_sql([column.read for column in some])
        try:
            yield from ask_permissively(Query(f"SELECT {hashed} FROM {source} WHERE 0", {}, merged(READ, settings)))
        except StatementError as error:
            if error.code != ILLEGAL_TYPE_OF_ARGUMENT:
                raise
            return error.message
        return ""

    found = yield from refusals([column for column in columns if column.checked], asked)
    return tuple(column.target for column, problem in found if not problem)


def differing(
    source: str, where: str, target: str, columns: Sequence[Projected], settings: Mapping[str, str | int]
) -> Routine[tuple[str, ...]]:
    """The columns whose checksums differ, one by one: asked only when the sum of all did."""
    checked = [column for column in columns if column.checked]
    # All columns in one pass for each side: the rows are read once more, but not once for each column.
    left = yield from _hashes(source, where, [[column.read] for column in checked], settings)
    right = yield from _hashes(target, "", [[quote_name(column.target)] for column in checked], settings)
    pairs = zip(checked, left[1:], right[1:], strict=True)
    return tuple(column.target for column, one, two in pairs if one != two)


def mismatch(
    table: str, partitions: Sequence[str], expected: Sums, found: Sums, columns: Sequence[str]
) -> VerificationError:
    """The error that says which partition differs in what."""
    where = f"partition {', '.join(partitions[:5])}{' and others' if len(partitions) > 5 else ''}"
    if expected.rows != found.rows:
        what = f"{rows_that(expected.rows, 'were read')}, {found.rows} {verb_for(found.rows, 'are')} in the copy"
    else:
        named = f"column {', '.join(columns)}" if columns else "the combination of columns"
        what = f"{rows_text(found.rows)} on both sides, but {named} differs"
    return VerificationError(
        f"{table}: the copy of {where} differs: {what}. Nothing was exchanged: the table is as it was"
    )
