"""Aggregates that a materialized view keeps up to date: a raw table, the view, and the AggregatingMergeTree table that
it writes into."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict

from pydantic import Field
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.printable import count_text, count_that
from aaiclick.specs.base import Spec
from aaiclick.specs.columns import Column, SettingValue
from aaiclick.specs.engines import AggregatingMergeTree
from aaiclick.specs.engines import Key as KeyClause
from aaiclick.specs.schema import SchemaObject
from aaiclick.specs.tables import Table, TableFields
from aaiclick.specs.views import MaterializedView, View
from aaiclick.sql.quoting import punctuation, quoted_where_needed
from aaiclick.sql.types import parse_type, split_arguments

_NAME = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(")
NEUTRAL = frozenset({"sum", "sumWithOverflow", "groupBitOr", "groupBitXor", "groupArrayArray", "groupUniqArrayArray"})
"""Simple aggregates to which a row without a value (0, an empty array) adds nothing."""


class Measure(Spec):
    """An aggregate: ``Measure("sum(price * amount)", "Float64")``.

    Raises ``SpecError`` where the expression is not the call of one aggregate function.
    """

    noun: ClassVar[str] = "measure"
    expression: str
    """The call of an aggregate function, as SQL."""
    types: tuple[str, ...] = ()
    """Types of its arguments; needed where one is an expression, because only columns have a declared type."""
    simple: str | None = None
    """Type of the result, for a ``SimpleAggregateFunction``: it keeps the value itself instead of a state. None:
    a state."""

    def __init__(self, expression: str, *types: str, simple: str | None = None) -> None:
        self._construct(expression, {"expression": expression, "types": types, "simple": simple})
        _taken_apart(expression)
        if simple is not None and types:
            raise SpecError(
                f"measure {expression}",
                "the types of arguments belong to a state, simple is the type of the result: say one of them",
            )

    @property
    def function(self) -> str:
        """The aggregate function with its parameters: ``quantiles(0.5, 0.9)``."""
        name, parameters, _ = _taken_apart(self.expression)
        return f"{name}({parameters})" if parameters else name

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of the function, as SQL."""
        return split_arguments(_taken_apart(self.expression)[2])

    def called(self, suffix: str, arguments: str) -> str:
        """The call with a combinator behind the function's name: ``quantilesState(0.5)(x)``."""
        name, parameters, _ = _taken_apart(self.expression)
        return f"{name}{suffix}{f'({parameters})' if parameters else ''}({arguments})"


class GroupKey(Spec):
    """A key that is no column of the raw table: ``GroupKey("toDate(created_at)", "Date")``."""

    noun: ClassVar[str] = "key"
    expression: str
    type: str

    def __init__(self, expression: str, type: str) -> None:
        self._construct(expression, {"expression": expression, "type": type})
        if not expression.strip() or not type.strip():
            raise SpecError(f"key {expression}", "an expression and its type are needed")


class AggregateView(MaterializedView):
    """The materialized view of an ``Aggregate``; rows that its raw table holds already are brought into the target when
    the view is created."""

    raw: str = ""
    """Name of the raw table that the view reads."""
    keys: dict[str, str] = Field(default_factory=dict[str, str])
    """SQL expression of each key, by its column in the target: what the view groups by. Empty: one row for
    everything."""
    measures: dict[str, str] = Field(default_factory=dict[str, str])
    """SQL expression of each measure, by its column in the target."""
    neutral: tuple[str, ...] = ()
    """Measures to which a row without a value for them adds nothing, so that one can be backfilled beside the
    others."""
    where: str = ""
    """Condition on the rows of the raw table, as SQL; '' for all rows."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and expression of each column that the view selects."""
        return tuple({**self.keys, **self.measures}.items())


class AggregateFields(TypedDict, total=False):
    """Keywords of ``Aggregate``."""

    where: str | None
    """Condition on the rows of the raw table (the view's WHERE), as SQL; unset or None for all rows."""
    reader: str | None
    """Name of a plain view with the finished values; unset or None for no such view."""
    view: str | None
    """Name of the materialized view; unset or None for the aggregate's name with ``_mv`` behind it."""
    order_by: KeyClause
    """ORDER BY of the target; unset for the columns of ``by``."""
    partition_by: KeyClause | None
    """PARTITION BY of the target; unset or None for none."""
    ttl: str | None
    """TTL of the target, without the word TTL; unset or None for none."""
    settings: Mapping[str, SettingValue]
    """SETTINGS of the target."""
    comment: str | None
    """COMMENT of the target."""
    replicated: str
    """Makes the target a replicated one, as ``replicated`` of an engine does: '' for what the server gives, or path and
    replica."""


_CLAUSES = ("order_by", "partition_by", "ttl", "settings", "replicated")


class Aggregate:
    """A table of aggregates over a raw table, kept up to date by a materialized view.

        rollup(
            orders,
            Aggregate(
                "orders_daily",
                by={"day": GroupKey("toDate(created_at)", "Date"), "shop": "shop"},
                measures={
                    "orders": "count()",
                    "revenue": Measure("sum(price * amount)", "Float64"),
                    "buyers": "uniq(user_id)",
                },
                reader="orders_per_day",
            ),
        )

    ``by`` maps the columns of the table to columns of the raw table (a list where the names stay), or to a
    ``GroupKey``; ``measures`` to aggregates. Types are the raw table's own; an argument that is an expression needs a
    ``Measure`` that says its type. Nothing is asked of a database here: that the types are those of the states is
    checked by the engine when a plan is made. ``where`` filters rows. ``reader`` names a plain view with the finished
    values. The sort key is that of ``by`` unless ``order_by`` says otherwise.
    """

    def __init__(
        self,
        name: str,
        by: Sequence[str] | Mapping[str, str | GroupKey],
        measures: Mapping[str, str | Measure],
        **fields: Unpack[AggregateFields],
    ) -> None:
        if not measures:
            raise SpecError(f"aggregate {name}", "it has no measures")
        self.name = name
        self.by: dict[str, str | GroupKey] = dict(by) if isinstance(by, Mapping) else {key: key for key in by}
        self.measures = {
            column: Measure(measure) if isinstance(measure, str) else measure for column, measure in measures.items()
        }
        self.fields = fields
        both = sorted(set(self.by) & set(self.measures))
        if both:
            raise SpecError(f"aggregate {name}: {both[0]}", "is a key and a measure")

    def objects(self, raw: Table) -> tuple[SchemaObject, ...]:
        """The target table, the materialized view, and the plain view where ``reader`` asks for it.

        Raises ``SpecError`` where the type of a column cannot be told, or a name is also a column of the raw table.
        """
        keys = {column: self._key(raw, column, key) for column, key in self.by.items()}
        measures = {column: self._measure(raw, column, measure) for column, measure in self.measures.items()}
        said: dict[str, object] = {"order_by": list(self.by), **self.fields}
        clauses = {field: said[field] for field in _CLAUSES if field in said}
        columns = [Column(column, kind) for column, (_, kind) in (*keys.items(), *measures.items())]
        fields: TableFields = {"engine": AggregatingMergeTree.model_validate(clauses)}
        if "comment" in self.fields:
            fields["comment"] = self.fields["comment"]
        table = Table(self.name, columns, **fields)
        view = self._view(
            raw, {name: text for name, (text, _) in keys.items()}, {name: text for name, (text, _) in measures.items()}
        )
        reader = self.fields.get("reader")
        return (table, view, self._reader(reader)) if reader else (table, view)

    def _key(self, raw: Table, column: str, key: str | GroupKey) -> tuple[str, str]:
        if isinstance(key, GroupKey):
            if raw.column(column) is not None:
                raise SpecError(
                    f"aggregate {self.name}: {column}",
                    f"is a column of {raw.name} with another meaning: ClickHouse would mix them up. Call it otherwise",
                )
            return key.expression, key.type
        source = raw.column(key)
        if source is None:
            raise SpecError(
                f"aggregate {self.name}: {column}",
                f"{key} is no column of {raw.name}: say its type, GroupKey({key!r}, ...)",
            )
        if column != key and raw.column(column) is not None:
            raise SpecError(f"aggregate {self.name}: {column}", f"is another column of {raw.name}. Call it otherwise")
        return quoted_where_needed(key), source.type

    def _measure(self, raw: Table, column: str, measure: Measure) -> tuple[str, str]:
        path = f"aggregate {self.name}: {column}"
        # ClickHouse prefers an alias of the SELECT to a column of that name: the aggregate would be read in its own
        # argument.
        if raw.column(column) is not None:
            raise SpecError(
                path,
                f"is a column of {raw.name}: ClickHouse would read the aggregate where the column is meant. Call it "
                "otherwise",
            )
        text = ", ".join(measure.arguments)
        if measure.simple is not None:
            return measure.called("", text), f"SimpleAggregateFunction({measure.function}, {measure.simple})"
        types = list(measure.types) or [self._type(raw, path, argument) for argument in measure.arguments]
        if len(types) != len(measure.arguments):
            raise SpecError(
                path,
                f"{measure.expression} has {count_text(len(measure.arguments), 'argument')}, and "
                f"{count_that(len(types), 'type', 'are')} given",
            )
        return measure.called("State", text), f"AggregateFunction({', '.join([measure.function, *types])})"

    def _type(self, raw: Table, path: str, argument: str) -> str:
        found = raw.column(argument.strip("`"))
        if found is None:
            raise SpecError(
                path, f"{argument} is no column of {raw.name}: say the types of the arguments, Measure(..., 'Float64')"
            )
        # ClickHouse drops LowCardinality from the argument types of aggregate functions: the state of a
        # LowCardinality(String) column is an AggregateFunction(..., String).
        kind = parse_type(found.type)
        return kind.arguments[0] if kind.name == "LowCardinality" else found.type

    def _view(self, raw: Table, keys: dict[str, str], measures: dict[str, str]) -> AggregateView:
        where = self.fields.get("where") or ""
        reads = ", ".join(
            text if text == quoted_where_needed(name) else f"{text} AS {quoted_where_needed(name)}"
            for name, text in {**keys, **measures}.items()
        )
        grouped = f" GROUP BY {', '.join(quoted_where_needed(key) for key in keys)}" if keys else ""
        query = f"SELECT {reads} FROM {quoted_where_needed(raw.name)}{f' WHERE {where}' if where else ''}{grouped}"
        neutral = tuple(
            name
            for name, measure in self.measures.items()
            # A state of no values adds nothing to others, and neither does NULL.
            if measure.simple is None or measure.function in NEUTRAL or "Nullable(" in measure.simple
        )
        return AggregateView.model_validate(
            {
                "name": self.fields.get("view") or f"{self.name}_mv",
                "to": self.name,
                "query": query,
                "raw": raw.name,
                "keys": keys,
                "measures": measures,
                "neutral": neutral,
                "where": where,
            }
        )

    def _reader(self, name: str) -> View:
        keys = [quoted_where_needed(key) for key in self.by]
        own = quoted_where_needed(self.name)
        named = {quoted_where_needed(column): measure for column, measure in self.measures.items()}
        reads = [
            # With the table in front: else the server would read the alias of that name, which is the result itself.
            f"{measure.called('' if measure.simple is not None else 'Merge', f'{own}.{column}')} AS {column}"
            for column, measure in named.items()
        ]
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        return View(name, query=f"SELECT {', '.join([*keys, *reads])} FROM {quoted_where_needed(self.name)}{grouped}")


def rollup(raw: Table, *aggregates: Aggregate) -> list[SchemaObject]:
    """The objects of a ``Schema`` for a raw table and its aggregates: all tables, materialized views and plain views.

    Raises ``SpecError`` as ``Aggregate.objects`` does.
    """
    return [raw, *(item for aggregate in aggregates for item in aggregate.objects(raw))]


def _taken_apart(expression: str) -> tuple[str, str, str]:
    """Name, parameters and arguments of an aggregate function's call: ``quantiles(0.5)(x)`` has all three."""
    found = _NAME.match(expression)
    if found is None:
        raise SpecError(f"measure {expression}", "an aggregate function's call is needed, such as sum(price)")
    groups: list[str] = []
    position = found.end() - 1
    while position < len(expression) and expression[position] == "(":
        end = _closing(expression, position)
        groups.append(expression[position + 1 : end].strip())
        position = end + 1
        while position < len(expression) and expression[position].isspace():
            position += 1
    if position < len(expression) or len(groups) > 2:
        raise SpecError(
            f"measure {expression}", "is more than the call of one aggregate function: compute with it where it is read"
        )
    arguments = groups[-1]
    if arguments == "*":
        raise SpecError(f"measure {expression}", "write it without the asterisk: count()")
    if re.match(r"distinct\b", arguments, re.IGNORECASE):
        raise SpecError(f"measure {expression}", "DISTINCT has no state: use the combinator, such as sumDistinct(x)")
    return found[1], groups[0] if len(groups) == 2 else "", arguments


def _closing(text: str, start: int) -> int:
    depth = 0
    for position, character in punctuation(text, start):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
            if not depth:
                return position
    raise SpecError(f"measure {text}", "its brackets do not match")
