"""Rows for tables of any shape."""

from __future__ import annotations

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.sql.quoting import quote_name, quote_string

_PLAIN = (
    "String",
    "UInt",
    "Int",
    "Float",
    "LowCardinality(String",
    "Nullable(String",
    "Nullable(UInt",
    "Nullable(Int",
    "Nullable(Float",
    "LowCardinality(Nullable(String",
)


def random_rows(form: TableForm, name: str, count: int = 12) -> str:
    """An INSERT of random values of every type; the sign column of a collapsing engine gets 1."""
    columns = insertable(form)
    shape = ", ".join(f"{quote_name(f'c{place}')} {column.type}" for place, column in enumerate(columns))
    nested = {column.name for column in columns if _of_nested(form, column)}
    values = ", ".join(
        _fixed(form, column) or (_tame(column) if column.name in nested else quote_name(f"c{place}"))
        for place, column in enumerate(columns)
    )
    names = ", ".join(quote_name(column.name) for column in columns)
    source = (
        f"SELECT *, rowNumberInAllBlocks() AS number FROM generateRandom({quote_string(shape)}, 1, 6, 3) LIMIT {count}"
    )
    return f"INSERT INTO {name} ({names}) SELECT {values} FROM ({source})"


def tame_rows(form: TableForm, name: str, count: int = 12, wanted: TableForm | None = None) -> str:
    """An INSERT of small numbers (as text where the column is text), and of the type's default where it takes no
    number."""
    columns = insertable(form)
    names = ", ".join(quote_name(column.name) for column in columns)
    values = ", ".join(_fixed(form, column) or _tame(column, wanted) for column in columns)
    return f"INSERT INTO {name} ({names}) SELECT {values} FROM numbers({count})"


def _tame(column: ColumnForm, wanted: TableForm | None = None) -> str:
    new = wanted.column(column.name) if wanted is not None else None
    if new is not None and "String" in column.type and "Array(" not in column.type and "Array(" in new.type:
        return "'[]'"  # the only text that every array type reads
    literal = quote_string(column.type)
    if new is not None and column.type.startswith("Nullable(") and not new.type.startswith("Nullable("):
        return f"CAST(defaultValueOfTypeName({quote_string(column.type[len('Nullable(') : -1])}), {literal})"
    if column.type.startswith(_PLAIN) and "SimpleAggregate" not in column.type:
        return f"CAST(toString(number), {literal})"
    return f"defaultValueOfTypeName({literal})"


def insertable(form: TableForm) -> list[ColumnForm]:
    """The columns that an INSERT can name; aggregate states are left to their defaults (but for times, which a TTL may
    look at)."""
    return [
        column
        for column in form.columns
        if column.kind in ("", "DEFAULT")
        and ("AggregateFunction(" not in column.type or _held(column).startswith("Date"))
    ]


def _held(column: ColumnForm) -> str:
    """The type of the values: that inside a SimpleAggregateFunction."""
    return column.type.partition(", ")[2] if column.type.startswith("SimpleAggregateFunction(") else column.type


def _of_nested(form: TableForm, column: ColumnForm) -> bool:
    """Parts of one Nested have arrays of one length."""
    family = column.name.rpartition(".")[0]
    return bool(family) and sum(other.name.startswith(f"{family}.") for other in form.columns) > 1


def _fixed(form: TableForm, column: ColumnForm) -> str:
    """What the engine insists on: a sign of 1, an is_deleted of 0; and times of this year, so that no TTL takes the
    rows away."""
    if _held(column).removeprefix("Nullable(").startswith("Date"):
        return f"CAST(now() - number, {quote_string(column.type)})"
    if column.name == _sign(form):
        return "1"
    if form.engine.endswith("ReplacingMergeTree") and [part.strip() for part in form.arguments.split(",")][1:2] == [
        column.name
    ]:
        return "0"
    return ""


def _sign(form: TableForm) -> str:
    return form.arguments.split(",")[0].strip() if "Collapsing" in form.engine else ""
