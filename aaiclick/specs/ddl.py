"""Declarations as the CREATE statements that an operator would write."""

from __future__ import annotations

import re

from aaiclick.errors import SpecError
from aaiclick.specs.columns import Column, Constraint, Index, Projection, SettingValue
from aaiclick.specs.engines import Engine, Key, MergeTree
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.comments import without_end
from aaiclick.sql.ddl import column_definition, comment_clause, create
from aaiclick.sql.quoting import is_bare, qualified, quote_name, quote_string

_PART = r"[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)+`"
# A disk described in place: ``disk(type = local, path = '...')`` is no string.
_DISK = re.compile(r"disk\s*\(.*\)\Z", re.DOTALL)
_TARGET = re.compile(rf"(?P<first>{_PART})(?:\.(?P<table>{_PART}))?\Z", re.DOTALL)


def setting_literal(value: SettingValue) -> str:
    """A setting's value as SQL. Raises ``SpecError`` for None, which declares that the setting is not there."""
    if value is None:
        raise SpecError("settings", "None says that a setting is not there: it has no value to write")
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, str):
        return repr(value)
    return value if _DISK.match(value) else quote_string(value)


def settings_list(settings: dict[str, SettingValue]) -> str:
    """``a = 1, b = 'x'``, sorted by name."""
    return ", ".join(
        f"{name} = {setting_literal(settings[name])}" for name in sorted(settings) if settings[name] is not None
    )


def column_sql(column: Column) -> str:
    """One column of a CREATE or an ADD COLUMN."""
    value = ""
    if column.kind == "EPHEMERAL":
        value = "EPHEMERAL" if column.ephemeral is True else f"EPHEMERAL {column.ephemeral}"
    elif column.kind:
        value = f"{column.kind} {column.default or column.materialized or column.alias}"
    head = (quote_name(column.name), column.type, value)
    return column_definition(
        head, column.comment, column.codec, column.statistics, column.ttl, settings_list(column.settings)
    )


def index_sql(index: Index) -> str:
    """``INDEX ...`` of a CREATE."""
    granularity = f" GRANULARITY {index.granularity}" if index.granularity is not None else ""
    return f"INDEX {quote_name(index.name)} {index.expr} TYPE {index.type}{granularity}"


def projection_sql(projection: Projection) -> str:
    """``PROJECTION ...`` of a CREATE."""
    if projection.index is not None:
        return f"PROJECTION {quote_name(projection.name)} INDEX {projection.index} TYPE {projection.type}"
    listed = settings_list(projection.settings)
    return (
        f"PROJECTION {quote_name(projection.name)} ({projection.query}){f' WITH SETTINGS ({listed})' if listed else ''}"
    )


def constraint_sql(constraint: Constraint) -> str:
    """``CONSTRAINT ...`` of a CREATE."""
    verb, expression = ("CHECK", constraint.check) if constraint.check is not None else ("ASSUME", constraint.assume)
    return f"CONSTRAINT {quote_name(constraint.name)} {verb} {expression}"


def key_sql(key: Key, columns: frozenset[str]) -> str:
    """A key clause as SQL: names of declared columns are quoted where needed, everything else stays as written."""
    if isinstance(key, str):
        return _element(key, columns)
    parts = [_element(part, columns) for part in key]
    if not parts:
        return "tuple()"
    # Without brackets, as the server keeps what it is given: ORDER BY (a) and ORDER BY a are two texts.
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _element(part: str, columns: frozenset[str]) -> str:
    return quote_name(part) if part in columns and not is_bare(part) else part


def engine_sql(table: Table | MaterializedView) -> str:
    """From ``ENGINE =`` to the end of SETTINGS."""
    engine = table.engine
    if engine is None:
        return ""
    clauses = [f"ENGINE = {engine.engine_clause}"]
    columns = frozenset(column.name for column in table.columns) if isinstance(table, Table) else frozenset[str]()
    if engine.partition_by:
        clauses.append(f"PARTITION BY {key_sql(engine.partition_by, columns)}")
    if engine.primary_key:
        clauses.append(f"PRIMARY KEY {key_sql(engine.primary_key, columns)}")
    if isinstance(engine, MergeTree):
        # The server wants ORDER BY or PRIMARY KEY; the one follows the other where only one is given.
        if engine.order_by or not engine.primary_key:
            clauses.append(f"ORDER BY {key_sql(engine.order_by, columns)}")
        if engine.sample_by:
            clauses.append(f"SAMPLE BY {key_sql(engine.sample_by, columns)}")
        if engine.ttl:
            clauses.append(f"TTL {engine.ttl}")
    elif engine.order_by:
        clauses.append(f"ORDER BY {key_sql(engine.order_by, columns)}")
    if settings_list(engine.settings):
        clauses.append(f"SETTINGS {settings_list(engine.settings)}")
    return " ".join(clauses)


def create_settings(table: Table) -> dict[str, str | int]:
    """Settings that are sent with a table's CREATE.

    ``flatten_nested`` decides whether a Nested becomes one column for each of its parts. It is always sent, so that a
    profile does not decide it.
    """
    return {"flatten_nested": 0 if table.engine.settings.get("flatten_nested") in (0, False, "0") else 1}


def takes_its_columns(table: Table) -> bool:
    """True for an engine that shows the columns of another table and refuses a list of its own (``Alias``)."""
    return isinstance(table.engine, Engine) and table.engine.name == "Alias"


def create_table_sql(table: Table, database: str, name: str | None = None, described: bool = False) -> str:
    """CREATE TABLE without IF NOT EXISTS: an object of that name is an error, never a silent success.

    ``described``: with a list of columns even where the engine would refuse one, as the server shows the table.
    """
    elements = [
        *(column_sql(column) for column in table.columns),
        *(index_sql(index) for index in table.indexes),
        *(constraint_sql(constraint) for constraint in table.constraints),
        *(projection_sql(projection) for projection in table.projections),
    ]
    listed = f"({', '.join(elements)})" if described or not takes_its_columns(table) else ""
    return create(
        "TABLE", qualified(database, name or table.name), listed, engine_sql(table), comment_clause(table.comment)
    )


def create_view_sql(view: View, database: str, name: str | None = None, columns: str = "") -> str:
    """CREATE VIEW. ``columns``: its list of columns, in parentheses; '' for what its query yields."""
    return create(
        "VIEW",
        qualified(database, name or view.name),
        columns,
        view.security or "",
        f"AS {without_end(view.query)}",
        comment_clause(view.comment),
    )


def target_sql(to: str, database: str) -> str:
    """The table behind TO: ``table`` in ``database``, or ``other.table``.

    A table name with a dot in it has to stand in backticks. A text that is no identifier is taken as a table name.
    """
    found = _TARGET.match(to)
    if found is None or found["table"] is None:
        return f"{quote_name(database)}.{to}" if to.startswith("`") and found is not None else qualified(database, to)
    return ".".join(part if part.startswith("`") else quote_name(part) for part in (found["first"], found["table"]))


def create_materialized_view_sql(
    view: MaterializedView, database: str, name: str | None = None, columns: str = ""
) -> str:
    """CREATE MATERIALIZED VIEW. A target without a database is a table of the view's own database. ``columns``: its
    list of columns, in parentheses; '' for what its query yields."""
    refresh = f"REFRESH {view.refresh}" if view.refresh else ""
    behind = f"TO {target_sql(view.to, database)} {columns}" if view.to is not None else f"{columns} {engine_sql(view)}"
    target = behind.strip()
    return create(
        "MATERIALIZED VIEW",
        qualified(database, name or view.name),
        refresh,
        target,
        view.security or "",
        f"AS {without_end(view.query)}",
        comment_clause(view.comment),
    )


def create_dictionary_sql(dictionary: Dictionary, database: str, name: str | None = None) -> str:
    """CREATE DICTIONARY, with the secrets that its source may hold."""
    columns = ", ".join(column_sql(column) for column in dictionary.columns)
    clauses = [
        f"PRIMARY KEY {', '.join(quote_name(key) for key in dictionary.primary_key)}",
        f"SOURCE({dictionary.source})",
        *([f"LIFETIME({dictionary.lifetime})"] if dictionary.lifetime else []),
        f"LAYOUT({dictionary.layout})",
        *([f"RANGE({dictionary.range})"] if dictionary.range else []),
        *([f"SETTINGS({settings_list(dictionary.settings)})"] if settings_list(dictionary.settings) else []),
        comment_clause(dictionary.comment),
    ]
    return create("DICTIONARY", qualified(database, name or dictionary.name), f"({columns})", *clauses)


def create_sql(item: View | MaterializedView | Dictionary, database: str) -> str:
    """The CREATE of a view, materialized view or dictionary."""
    match item:
        case View():
            return create_view_sql(item, database)
        case MaterializedView():
            return create_materialized_view_sql(item, database)
        case Dictionary():
            return create_dictionary_sql(item, database)
