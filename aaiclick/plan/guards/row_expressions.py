"""Rewrites expressions over the declared table for one row of the live table. Pure.

A constraint can read only stored columns, and no subquery. So an ALIAS is replaced by its expression and a converted
column by its conversion, each bound to its name (see ``aaiclick/versions/jumps/compose.py``). Functions raise
``ValueError`` where an expression cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.plan.old_parts.readings import left_out
from aaiclick.plan.strategies.context import TableDiff
from aaiclick.plan.strategies.rebuild import copy_columns
from aaiclick.sql.column_names import bound, mentions, query_word
from aaiclick.sql.quoting import quote_name, quote_string


def over_live(form: TableForm, expression: str) -> str:
    """The expression with ALIAS columns of the live table replaced."""
    aliases = {column.name: column for column in form.columns if column.kind == "ALIAS"}
    # Bound to another name: 25.8 reads ``(select IS NULL)`` in a constraint as a query.
    queries = [column.name for column in form.columns if query_word(column.name) and column.name not in aliases]
    return _bound(expression, {name: f"identity({quote_name(name)})" for name in queries}, aliases)


def over_target(diff: TableDiff, expression: str) -> str:
    """An expression over the target's columns, with each as the copy would make it of a live row."""
    copied = {column.target: over_live(diff.form, column.expression) for column in copy_columns(diff)}
    return _bound(expression, copied, left_out(diff.target.form, copied))


def _bound(expression: str, texts: Mapping[str, str], computed: Mapping[str, ColumnForm]) -> str:
    named = {name: _computed(computed[name], texts, computed) for name in computed if mentions(expression, name)}
    return bound(expression, {**texts, **named})


def _computed(column: ColumnForm, texts: Mapping[str, str], computed: Mapping[str, ColumnForm]) -> str:
    if not column.expression:
        return f"defaultValueOfTypeName({quote_string(column.type)})"
    # A column is not made from itself: without its own name in it, this comes to an end.
    rest = {name: other for name, other in computed.items() if name != column.name}
    return f"CAST({_bound(column.expression, texts, rest)}, {quote_string(column.type)})"
