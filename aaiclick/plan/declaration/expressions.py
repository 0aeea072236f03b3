"""Types of a declared table's expressions, which the engine says without a table: over ``null(...)``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aaiclick.catalog.forms import ConstraintForm, TableForm
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.errors import SpecError
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.quoting import quote_name, quote_string

_CONDITION = re.compile(r"(?:LowCardinality\()?(?:Nullable\()?(?:UInt8|Bool)\)*\Z")


def require_conditions(table: str, form: TableForm, constraints: Sequence[ConstraintForm]) -> Routine[None]:
    """Raise ``SpecError`` for a constraint that is no condition: the server would accept it, and refuse every INSERT
    from then on."""
    checks = [constraint for constraint in constraints if constraint.kind == "CHECK"]
    types = yield from types_of([check.expression for check in checks], form)
    for check, kind in zip(checks, types, strict=True):
        _require_condition(table, check.name, check.expression, kind)


def types_of(expressions: Sequence[str], form: TableForm) -> Routine[tuple[str, ...]]:
    """The types of expressions over a table's stored columns; '' for each where the engine refuses one."""
    if not expressions:
        return ()
    columns = over_null(
        (column.name, column.type) for column in form.columns if column.kind not in ("ALIAS", "EPHEMERAL")
    )
    named = ", ".join(f"({expression}) AS t{at}" for at, expression in enumerate(expressions))
    types = dict((yield from query_columns(f"SELECT {named} FROM {columns}")) or ())
    return tuple(types.get(f"t{at}", "") for at in range(len(expressions)))


def over_null(columns: Iterable[tuple[str, str]]) -> str:
    """A table without rows, with these columns and their types, as a query can read it."""
    return f"null({quote_string(', '.join(f'{quote_name(name)} {kind}' for name, kind in columns))})"


def query_columns(query: str) -> Routine[list[tuple[str, str]] | None]:
    """Names and types of the columns that a query yields; None where the engine refuses it."""
    rows = yield from rows_or_refusal(Query(f"DESCRIBE TABLE ({query})"))
    return None if rows is None else [(text(row[0]), text(row[1])) for row in rows]


def _require_condition(table: str, name: str, expression: str, kind: str) -> None:
    if kind and not _CONDITION.match(kind):
        raise SpecError(
            f"{table}: constraint {name}",
            f"CHECK {expression} gives {kind}, which is no condition (UInt8): every INSERT would be refused",
        )
