"""CREATE VIEW and CREATE MATERIALIZED VIEW behind the name."""

from __future__ import annotations

import dataclasses

from aaiclick.catalog.forms import ColumnForm, ViewForm
from aaiclick.catalog.parse.columns import read_elements
from aaiclick.catalog.parse.engine import at_end_of_engine, read_engine, table_form
from aaiclick.catalog.render import engine_tail, target_text
from aaiclick.sql.cursor import Cursor
from aaiclick.sql.database_prefix import strip_database


def read_view(cursor: Cursor, name: str, materialized: bool, database: str) -> ViewForm:
    """A view; what it reads and writes in its own ``database`` loses that prefix."""
    refresh = _refresh(cursor, database) if materialized and cursor.accept("REFRESH") else ""
    target = _target(cursor, database) if materialized and cursor.accept("TO") else ""
    columns = _columns(cursor, database)
    inner = engine_tail(table_form("", read_engine(cursor))) if cursor.at("ENGINE") and cursor.at_op("=", 1) else ""
    security, comment = "", ""
    while not cursor.done and not cursor.at("AS"):
        start = cursor.position
        if (cursor.accept("DEFINER") and cursor.accept_op("=")) or cursor.accept("SQL", "SECURITY"):
            cursor.name()
        elif not comment and cursor.at("COMMENT") and cursor.at_string(1):
            cursor.accept("COMMENT")
            comment = cursor.string()
            continue
        else:
            raise cursor.error("a clause that is not known")
        security = f"{security} {cursor.tokens.slice(start, cursor.position)}".strip()
    if not cursor.accept("AS") or cursor.done:
        raise cursor.error("a view without a query")
    if (
        not comment
        and cursor.tokens.is_word(cursor.end - 2, "COMMENT")
        and cursor.tokens.is_kind(cursor.end - 1, "string")
    ):
        # Older servers print the comment behind the query.
        behind = Cursor(cursor.tokens, cursor.end - 1, cursor.end)
        cursor.end -= 2
        comment = behind.string()
    return ViewForm(
        name=name,
        query=strip_database(cursor.rest(), database),
        columns=columns,
        materialized=materialized,
        to=target,
        inner=inner,
        refresh=refresh,
        security=security,
        comment=comment,
    )


def _refresh(cursor: Cursor, database: str) -> str:
    start = cursor.position
    while not (
        cursor.done
        or cursor.at("TO")
        or cursor.at_op("(")
        or (cursor.at("ENGINE") and cursor.at_op("=", 1))
        or _at_clause(cursor)
    ):
        cursor.position += 1
    text = cursor.tokens.slice(start, cursor.position)
    if not text:
        raise cursor.error("REFRESH: a schedule was expected")
    return strip_database(text, database)


def _at_clause(cursor: Cursor) -> bool:
    """The settings inside REFRESH belong to it."""
    return at_end_of_engine(cursor) and not cursor.at("SETTINGS")


def _target(cursor: Cursor, database: str) -> str:
    # The UUID of an inner table is no part of the definition: a copy in scratch has another one.
    if cursor.accept("INNER", "UUID"):
        cursor.string()
        return ""
    parts = cursor.compound()
    return target_text(None if len(parts) < 2 or parts[0] == database else parts[0], parts[len(parts) - 1])


def _columns(cursor: Cursor, database: str) -> tuple[ColumnForm, ...]:
    if not cursor.at_op("("):
        return ()
    elements = read_elements(cursor.group())
    if elements.indexes or elements.constraints or elements.projections:
        raise cursor.error("a view whose own table has indexes, constraints or projections")
    return tuple(_renamed(column, strip_database(column.name, database, lenient=True)) for column in elements.columns)


def _renamed(column: ColumnForm, name: str) -> ColumnForm:
    return column if name == column.name else dataclasses.replace(column, name=name)
