"""What rows of a live table read now, and what they would read with the declared definition. SQL text only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from aaiclick.catalog.forms import ColumnForm, TableForm
from aaiclick.diff.conversion.convert import conversion
from aaiclick.diff.target import live_column
from aaiclick.sql.quoting import quote_name, quote_string

Renames = tuple[tuple[str, str], ...]


def leaves_of(name: str, form: TableForm) -> tuple[ColumnForm, ...]:
    """The other stored columns of the same Nested: their arrays have the same sizes."""
    prefix, dot, _ = name.partition(".")
    if not dot:
        return ()
    return tuple(
        column
        for column in form.columns
        if column.stored and column.name != name and column.name.startswith(f"{prefix}.")
    )


def unsaid(column: ColumnForm, form: TableForm) -> str:
    """What rows of a part without the column read where it has no default: the type's default, with as many elements as
    the other columns of its Nested have."""
    kind = quote_string(column.type)
    others = [leaf for leaf in leaves_of(column.name, form) if leaf.type.startswith("Array(")]
    if others and column.type.startswith("Array("):
        # arrayResize would fill up with 0, which is no member of most Enums: the rows could not be read any more.
        element = quote_string(column.type.removeprefix("Array(")[:-1])
        return f"arrayWithConstant(length({quote_name(others[0].name)}), defaultValueOfTypeName({element}))"
    return f"defaultValueOfTypeName({kind})"


def left_out(form: TableForm, inserted: Collection[str]) -> dict[str, ColumnForm]:
    """The columns that an INSERT of those leaves out. Arrays without a default get an expression: the server gives
    them as many elements as the arrays of their Nested have that are inserted."""
    beside = tuple(column for column in form.columns if column.name in inserted)
    return {
        column.name: replace(column, expression=unsaid(column, replace(form, columns=beside)))
        if "." in column.name and column.type.startswith("Array(") and column.stored and not column.expression
        else column
        for column in form.columns
        if column.name not in inserted
    }


def computed(column: ColumnForm, form: TableForm) -> str:
    """What a row reads where nothing is stored."""
    return f"CAST({column.expression or unsaid(column, form)}, {quote_string(column.type)})"


def rows_to_be(live: TableForm, wanted: TableForm, renames: Renames, source: str, where: str) -> str:
    """A FROM: the live rows with every stored column of ``wanted`` that they have, converted, under its new name.

    Aliases and names collide in it, so ``prefer_column_name_to_alias`` has to be set.
    """
    parts = [
        f"{conversion(quote_name(old.name), old.type, column.type)} AS {quote_name(column.name)}"
        for column in wanted.columns
        if (old := _source(live, renames, column)) is not None
    ]
    return f"(SELECT {', '.join(parts)} FROM {source} WHERE {where})"


def computed_to_be(live: TableForm, wanted: TableForm, renames: Renames) -> str:
    """A WITH for the columns of ``wanted`` that live rows do not have."""
    parts = [
        f"{computed(column, wanted)} AS {quote_name(column.name)}"
        for column in wanted.columns
        if _source(live, renames, column) is None and not column.type.startswith("Nested(")
    ]
    return f"WITH {', '.join(parts)} " if parts else ""


def _source(live: TableForm, renames: Renames, column: ColumnForm) -> ColumnForm | None:
    old = live_column(live, renames, column.name)
    # An EPHEMERAL column has no value, and one that becomes MATERIALIZED from an ALIAS is computed anew.
    readable = (
        old is not None
        and old.kind != "EPHEMERAL"
        and column.stored
        and not (old.kind == "ALIAS" and column.kind == "MATERIALIZED")
    )
    return old if readable else None


def read_differently(one: str, other: str) -> str:
    """A condition: two expressions of one type have different values, NULL included."""
    # In a tuple, because the hash of NULL alone is NULL.
    return f"cityHash64(tuple({one})) != cityHash64(tuple({other}))"
