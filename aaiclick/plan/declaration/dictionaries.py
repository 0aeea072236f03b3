"""Compares the attributes of a dictionary that is created or changed with the table of this server that it reads.

The engine creates any dictionary. A column that its source lacks is reported at the first load, and a value that an
attribute cannot hold is silently changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import Catalog, Form, TableForm
from aaiclick.diff.conversion import values
from aaiclick.errors import SpecError
from aaiclick.plan.dependents.dictionaries import clickhouse_source, null_alone
from aaiclick.plan.dependents.lossless_conversions import fits, only_trailing_zeros
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.ddl import create_dictionary_sql
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import Dictionary
from aaiclick.sql.ddl import create, system
from aaiclick.sql.quoting import qualified, quote_string

HERE = frozenset({"", "localhost", "127.0.0.1"})
"""Values of HOST that mean this server."""


def loads(item: Dictionary, database: str) -> str:
    """The statement that loads the dictionary, where its source is on this server; '' where it may be out of reach."""
    said = clickhouse_source(item.source)
    if not said or said.get("HOST", "") not in HERE:
        return ""
    return system("RELOAD DICTIONARY", qualified(database, item.name))


def trial(item: Dictionary, database: str) -> str:
    """Its CREATE without the head, so that it can be created in another database and reads the same table."""
    head, bracket, rest = item.source.partition("(")
    # Without DB it would read a table of the database in which it is tried.
    source = (
        item.source if "DB" in clickhouse_source(item.source) else f"{head}{bracket}DB {quote_string(database)} {rest}"
    )
    sql = create_dictionary_sql(item.model_copy(update={"source": source}), database)
    return sql.removeprefix(create("DICTIONARY", qualified(database, item.name)))


def require_attributes(item: Dictionary, schema: Schema, catalog: Catalog, forms: Mapping[str, Form]) -> Routine[None]:
    """Raise ``SpecError`` where its table lacks a column, or has one whose values the attribute cannot hold."""
    said = clickhouse_source(item.source)
    name = said.get("TABLE", "")
    if not name or "QUERY" in said or said.get("HOST", "") not in HERE:
        return
    columns = yield from _columns(said.get("DB") or catalog.database, name, schema, catalog, forms)
    for column in item.columns if columns else ():
        kept = columns.get(column.name)
        if kept is None:
            raise SpecError(
                f"dictionary {item.name}: column {column.name}", f"its source {name} has no column of that name"
            )
        if column.name not in item.primary_key and _cut(kept, column.type):
            problem = (
                f"its source {name} keeps {kept}, and {column.type} does not hold all of that: it would give other "
                "values"
            )
            raise SpecError(
                f"dictionary {item.name}: column {column.name}",
                f"{problem}. Declare it as {kept}, or cast it in a QUERY",
            )


def _cut(kept: str, attribute: str) -> bool:
    if not kept or fits(kept, attribute) or null_alone(attribute, kept):
        return False
    # No dictionary has attributes of FixedString: a String without the zero bytes at its end is all that can be said.
    if only_trailing_zeros(kept, attribute):
        return False
    if kept.startswith("Nullable("):
        kept = kept.removeprefix("Nullable(")[:-1]
    try:
        return not fits(kept, attribute) and bool(
            values.unfit_rows("x", kept, attribute) or values.altered_rows("x", kept, attribute)
        )
    except (SpecError, ValueError):
        return False


def _columns(
    database: str, name: str, schema: Schema, catalog: Catalog, forms: Mapping[str, Form]
) -> Routine[dict[str, str]]:
    """Columns of a table as it will be, with their types ('' where these are not known yet); empty where the table is
    not known."""
    declared = (
        next((table for table in schema.tables if table.name == name), None) if database == catalog.database else None
    )
    if declared is not None:
        form = forms.get(name)
        if isinstance(form, TableForm):
            return {column.name: column.type for column in form.columns if column.kind != "EPHEMERAL"}
        # flatten_nested decides whether a Nested is one column or one for each of its parts.
        if any(column.type.lstrip().startswith("Nested") for column in declared.columns):
            return {}
        return {column.name: column.type for column in declared.columns if column.kind != "EPHEMERAL"}
    rows = yield Query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        {"database": database, "table": name},
    )
    return {text(row[0]): text(row[1]) for row in rows}
