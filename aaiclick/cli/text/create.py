"""A declared schema as CREATE statements, in an order in which they can be run. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from aaiclick.printable import shown
from aaiclick.specs.ddl import (
    column_sql,
    constraint_sql,
    create_dictionary_sql,
    create_materialized_view_sql,
    create_table_sql,
    create_view_sql,
    index_sql,
    projection_sql,
)
from aaiclick.specs.engines import Engine
from aaiclick.specs.functions import Function, create_function_sql, function_order
from aaiclick.specs.schema import AnyObject, Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database, create_database_sql
from aaiclick.specs.sql_objects import SqlDatabase, SqlFunction, SqlObject
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, TableFamily, View
from aaiclick.sql.ddl import create_named_collection
from aaiclick.sql.quoting import qualified, quote_name

_LOOKUP = re.compile(r"\b(?:dictGet|dictHas|dictIs|joinGet)", re.IGNORECASE)
_BREAK = "\n    "


@dataclass(frozen=True, slots=True)
class CreateStatement:
    """``sql`` without a semicolon; '' for what is never created (a table family)."""

    object: str
    kind: str
    sql: str


def create_statements(schema: Schema, database: str | None = None) -> tuple[CreateStatement, ...]:
    """One statement for each object, each behind those that it reads or writes; names are qualified where a database is
    given."""
    return tuple(
        CreateStatement(item.name, item.noun, _create(item, database, schema.name))
        for item in in_reference_order(schema)
    )


def sql_file(schema: Schema) -> str:
    """A reflected schema as a file for ``Schema.from_sql``."""
    head = [
        f"-- Schema.from_sql(..., name={json.dumps(schema.name)}, version={schema.version})",
        *(f"-- not declared: {shown(name)}: {shown(reason)}" for name, reason in schema.unsupported.items()),
    ]
    return "\n\n".join(["\n".join(head), *(f"{item.sql};" for item in create_statements(schema))]) + "\n"


def in_reference_order(schema: Schema) -> tuple[AnyObject, ...]:
    """Declaration order, but nothing before what it refers to. What refers to each other in a circle stays in
    declaration order."""
    # No \b: a name may begin or end with a sign that is no letter.
    names = {
        item.name: re.compile(rf"(?<![A-Za-z0-9_]){re.escape(item.name)}(?![A-Za-z0-9_])") for item in schema.objects
    }
    needs = {
        item.name: {name for name, word in names.items() if name != item.name and word.search(_refers(item))}
        for item in schema.objects
    }
    ordered: list[AnyObject] = []
    # Whatever may call a function comes behind it.
    functions = function_order([item for item in schema.objects if isinstance(item, Function)])
    outside = schema.server_objects
    left: list[AnyObject] = [
        *(item for item in outside if isinstance(item, Database | SqlDatabase)),
        *schema.named_collections,
        *functions,
        *(item for item in outside if isinstance(item, SqlFunction)),
        *(item for item in schema.objects if item not in outside),
    ]
    while left:
        waiting = {item.name for item in left}
        chosen = next((item for item in left if not needs[item.name] & waiting), left[0])
        left.remove(chosen)
        ordered.append(chosen)
    return tuple(ordered)


def _refers(item: AnyObject) -> str:
    """The parts of a declaration that can name another object."""
    match item:
        case View():
            return item.query
        case MaterializedView():
            return f"{item.query} {item.to or ''} {item.refresh or ''}"
        case Dictionary():
            return item.source
        case TableFamily() | Function() | Database() | NamedCollection():
            return ""
        case SqlObject():
            return item.sql
        case Table():
            expressions = [
                text for column in item.columns for text in (column.default, column.materialized, column.alias) if text
            ]
            # Of expressions only dictGet, joinGet and the like name another object.
            lookups = [text for text in expressions if _LOOKUP.search(text)]
            return " ".join([item.engine.arguments if isinstance(item.engine, Engine) else "", *lookups])


def _create(item: AnyObject, database: str | None, schema: str) -> str:
    # The statements are those of ``aaiclick.specs.ddl``; only their layout and, without a database, their names are
    # changed.
    place = database or "database"
    match item:
        case Table():
            sql = _lines(create_table_sql(item, place), _elements(item))
            name = f"TABLE {qualified(place, item.name)}"
        case View():
            sql = create_view_sql(item, place).replace(f" AS {item.query}", f"\nAS {item.query}", 1)
            name = f"VIEW {qualified(place, item.name)}"
        case MaterializedView():
            sql = create_materialized_view_sql(item, place).replace(f" AS {item.query}", f"\nAS {item.query}", 1)
            name = f"VIEW {qualified(place, item.name)}"
            if item.to is not None and database is None:
                sql = sql.replace(f" TO {qualified(place, item.to)}", f" TO {quote_name(item.to)}", 1)
        case Dictionary():
            sql = _lines(create_dictionary_sql(item, place), [column_sql(column) for column in item.columns])
            name = f"DICTIONARY {qualified(place, item.name)}"
        case Function():
            return create_function_sql(item)
        case NamedCollection():
            pairs = (f"{quote_name(key)} = {item.shown(key)} {item.flag(key)}".rstrip() for key in item.keys)
            return create_named_collection(quote_name(item.name), tuple(pairs))
        case Database():
            return create_database_sql(item, database or schema)  # its name declares nothing
        case TableFamily():
            return ""
        case SqlObject():
            return item.written(database)
    return (
        sql
        if database is not None
        else sql.replace(name, name.replace(qualified(place, item.name), quote_name(item.name)), 1)
    )


def _elements(table: Table) -> list[str]:
    return [
        *(column_sql(column) for column in table.columns),
        *(index_sql(index) for index in table.indexes),
        *(constraint_sql(constraint) for constraint in table.constraints),
        *(projection_sql(projection) for projection in table.projections),
    ]


def _lines(sql: str, elements: list[str]) -> str:
    """An element on each line."""
    return sql.replace(f"({', '.join(elements)}) ", f"({_BREAK}{(',' + _BREAK).join(elements)}\n)\n", 1)
