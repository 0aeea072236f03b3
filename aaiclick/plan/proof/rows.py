"""SELECTs over the rows of a table as they are and as they will be, side by side. SQL text only.

SELECT <looks> FROM (                                             settings: prefer_column_name_to_alias = 1
  SELECT *, <ALIAS columns and new defaults of the target> FROM (
    SELECT <carried expressions over the live row>, <each column as the copy converts it>
    FROM live WHERE <the migration's filter>))
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aaiclick.catalog.forms import ColumnForm
from aaiclick.plan.old_parts.readings import left_out
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.plan.strategies.rebuild import copy_columns
from aaiclick.sql.column_names import mentioned
from aaiclick.sql.quoting import qualified, quote_name, quote_string

COMPARE_SETTINGS: dict[str, str | int] = {"prefer_column_name_to_alias": 1, "max_execution_time": 0, "final": 0}
"""Without the first one an expression behind ``CAST(k, ...) AS k`` would read the converted ``k``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A FROM with the target's columns and the carried expressions. ``read`` are the live columns that it reads."""

    source: str
    read: frozenset[str]


def future_rows(
    diff: TableDiff, data_name: str, expressions: Collection[str], carried: Mapping[str, str], source: str = ""
) -> Rows:
    """The rows as the copy would write them, with the columns that ``expressions`` over the target need.

    ``carried``: expressions over the live row, by the name under which they can be read beside it. ``source``: what
    they are read from; '' for the table on the host that is connected to.
    """
    target = diff.target.form
    copied = {column.target: column.expression for column in copy_columns(diff)}
    computed = left_out(target, copied)
    needed = _closure(expressions, [column.name for column in target.columns], computed)
    inner = [f"{expression} AS {quote_name(name)}" for name, expression in carried.items()]
    inner += [f"{copied[name]} AS {quote_name(name)}" for name in copied if name in needed]
    outer = [f"{_default(computed[name])} AS {quote_name(name)}" for name in computed if name in needed]
    where = f" WHERE {diff.where}" if diff.where else ""
    rows = f"(SELECT {', '.join(inner) or '1'} FROM {source or qualified(diff.database, data_name)}{where})"
    live = [column.name for column in diff.form.columns]
    texts = [
        *carried.values(),
        *(copied[name] for name in copied if name in needed),
        *([diff.where] if diff.where else []),
    ]
    aliases = {column.name: column for column in diff.form.columns if column.kind == "ALIAS"}
    read = _closure(texts, live, aliases)
    return Rows(f"(SELECT {', '.join(['*', *outer])} FROM {rows})" if outer else rows, read)


def _closure(
    expressions: Collection[str], columns: Collection[str], computed: Mapping[str, ColumnForm]
) -> frozenset[str]:
    """Columns that the expressions name, and those that the computed ones among them are made from."""
    found: set[str] = set()
    todo = [name for expression in expressions for name in mentioned(expression, columns)]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            if name in computed and computed[name].expression:
                todo += mentioned(computed[name].expression, columns)
    return frozenset(found)


def _default(column: ColumnForm) -> str:
    """The value of a column that the copy does not fill."""
    if not column.expression:
        return f"defaultValueOfTypeName({quote_string(column.type)})"
    return f"CAST({column.expression}, {quote_string(column.type)})"
