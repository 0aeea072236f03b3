"""Declarations in SQL: the engine formats each statement, and that text is split into clauses.

Nothing of a text is run. The engine formats it, which is one question for all statements, and what it names is made of
clauses that are known, as for a live object. From there on it is a declaration like any other, which is created in
scratch before it counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from aaiclick.catalog.forms import DatabaseForm, Form, FunctionForm, TableForm, ViewForm
from aaiclick.catalog.from_sql.columns import Shorthand, shorthands, spelled_out
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.reflect import reflect_object
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.scratch_objects import make, read_forms, sentence
from aaiclick.catalog.server_objects.databases import database_declared_as_sql
from aaiclick.errors import SpecError, StatementError, UnsupportedObjectError
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.columns import Column
from aaiclick.specs.engines import Engine
from aaiclick.specs.schema import Schema, SchemaObject
from aaiclick.specs.sql_objects import SqlDatabase, SqlFunction, SqlObject
from aaiclick.specs.tables import Table, TableFields
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.cursor import ClauseError
from aaiclick.sql.ddl import create_table
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.secrets import HIDDEN, syntax_error
from aaiclick.sql.tokens import Tokens

_NOWHERE = "_aaiclick_nowhere"
"""The database of a text that names none."""
_WHOLE = "flatten_nested"
_AT_ONCE = 60_000
"""Length of the statements that go into one question."""


def read_sql(schema: Schema, database: str | None = None) -> Routine[Schema]:
    """The schema with its SQL read; the very same schema where it has none. ``database``: where scratch tables may be
    if the user may create no databases.

    Raises ``SpecError`` with file, line and statement for what the engine, or this library, does not take.
    """
    declared = schema.declared_as_sql
    if not declared:
        return schema
    formatted = yield from _formatted(declared)
    short = {item.name: found for item in declared if (found := shorthands(formatted[item.name]))}
    # The engine knows these types only by making the table: most declarations need no scratch database.
    if short:
        types = yield from with_scratch(lambda scratch: _types(scratch, declared, short), database)
        formatted |= {name: spelled_out(formatted[name], found, types[name]) for name, found in short.items()}
    read = {item.name: _declaration(item, formatted[item.name]) for item in declared}
    return schema.read_as([read[item.name] if isinstance(item, SqlObject) else item for item in schema.objects])


def _formatted(declared: Sequence[SqlObject]) -> Routine[dict[str, str]]:
    found: dict[str, str] = {}
    batch: list[SqlObject] = []
    for item in declared:
        batch.append(item)
        if sum(len(each.sql) for each in batch) > _AT_ONCE:
            found |= yield from _format_all(batch)
            batch = []
    return found | ((yield from _format_all(batch)) if batch else {})


def _format_all(batch: Sequence[SqlObject]) -> Routine[dict[str, str]]:
    sql = (
        # ``formatQuery`` obeys the limit of a statement's length, and one declaration may be longer.
        "SELECT arrayJoin(arrayMap(x -> formatQuerySingleLine(unhex(x)), splitByChar(',', {statements:String}))) "
        "SETTINGS max_query_size = 0"
    )
    try:
        # In hex: the server reads escapes in a parameter, and a declaration is full of quotes.
        rows = yield Query(sql, {"statements": ",".join(hexed(item.sql) for item in batch)})
    except StatementError as error:
        said = syntax_error(error.message)
        if said is None:
            raise
        if len(batch) == 1:
            offset, problem = said
            raise SpecError(batch[0].place(_characters(batch[0].sql, offset)), problem) from None
    else:
        return {item.name: text(row[0]) for item, row in zip(batch, rows, strict=True)}
    found: dict[str, str] = {}
    for item in batch:  # one after the other shows which of them it is
        found |= yield from _format_all([item])
    return found


def _characters(sql: str, offset: int) -> int:
    """Where a byte of the statement is among its characters."""
    return len(sql.encode()[:offset].decode(errors="ignore"))


def _types(
    scratch: Scratch, declared: Sequence[SqlObject], short: dict[str, Shorthand]
) -> Routine[dict[str, dict[str, str]]]:
    """The types of columns that are written without one, or with NULL behind it: as the engine makes them."""
    for item in declared:
        if item.name not in short:
            continue
        sql = create_table(scratch.sql_name(item.name), short[item.name].columns, "ENGINE = MergeTree ORDER BY tuple()")
        error = yield from make(scratch, sql)
        if error is not None:
            raise SpecError(item.place(), sentence(scratch, error))
    forms = yield from read_forms(scratch, list(short))
    found = {
        name: {column.name: column.type for column in form.columns}
        for name, form in forms.items()
        if isinstance(form, TableForm)
    }
    for item in declared:
        for name in short[item.name].names if item.name in short else ():
            if name not in found.get(item.name, {}):
                raise SpecError(item.place(), f"column {name}: write its type")
    return found


def _declaration(item: SqlObject, formatted: str) -> SchemaObject:
    if HIDDEN in formatted:
        raise SpecError(item.place(), f"{HIDDEN} stands for a secret that the server did not show: write it")
    form: Form
    if isinstance(item, SqlFunction):
        form = FunctionForm(item.name, formatted)
    elif isinstance(item, SqlDatabase):
        form = _database(item, formatted)
    else:
        form = dataclasses.replace(split_create(formatted, _NOWHERE), name=item.name)
    if isinstance(form, ViewForm):
        _check_view(item, form)
    try:
        read = reflect_object(form)
    except UnsupportedObjectError as error:
        raise SpecError(item.place(), f"cannot be declared: {error.reason.removeprefix(f'{item.name}: ')}") from None
    if isinstance(read, Table):
        return _table(item, read)
    if isinstance(read, MaterializedView) and item.backfill:
        return read.model_copy(update={"backfill": True})
    return read


def _database(item: SqlDatabase, formatted: str) -> DatabaseForm:
    try:
        return database_declared_as_sql(formatted)
    except ClauseError as error:
        raise SpecError(item.place(), str(error)) from None


def _check_view(item: SqlObject, form: ViewForm) -> None:
    if form.columns:
        raise SpecError(item.place(), "a list of columns cannot be declared for a view: name them in its query")
    tokens = Tokens(form.query)
    if tokens.is_word(len(tokens) - 2, "FORMAT") and not tokens.is_word(len(tokens) - 3, "AS"):
        raise SpecError(item.place(), "FORMAT is for a query that is run: leave it out")


def _table(item: SqlObject, table: Table) -> Table:
    """With the former names, and with every key that is not there said to be none."""
    for new in item.column_renames:
        if table.column(new) is None:
            raise SpecError(item.place(), f"column {new} has a former name and is not among the columns")
    engine = table.engine
    if isinstance(engine, Engine):
        unsaid = {key: None for key in ("order_by", "partition_by", "primary_key") if not engine.declares(key)}
        engine = engine.model_copy(update=unsaid)
    # The text is a person's: a server makes a column for each part of a Nested in it.
    if _WHOLE in engine.settings and _WHOLE not in item.sql:
        others = {key: value for key, value in engine.settings.items() if key != _WHOLE}
        engine = engine.model_copy(update={"settings": others})
    columns = [_renamed(column, item.column_renames.get(column.name)) for column in table.columns]
    fields: TableFields = {
        "engine": engine,
        "indexes": table.indexes,
        "projections": table.projections,
        "constraints": table.constraints,
        "comment": table.comment,
    }
    if item.renamed_from:
        fields["renamed_from"] = item.renamed_from
    try:
        return Table(table.name, columns, **fields)
    except SpecError as error:
        raise SpecError(item.place(), str(error)) from None


def _renamed(column: Column, former: str | None) -> Column:
    return column if former is None else column.model_copy(update={"renamed_from": former})
