"""Turns live objects into declarations with every clause written down: creating them gives the same canonical form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from aaiclick.catalog.forms import (
    Catalog,
    CollectionForm,
    ColumnForm,
    DatabaseForm,
    DictionaryForm,
    Form,
    FunctionForm,
    ProjectionForm,
    Settings,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.catalog.normalize import inner_form, normal
from aaiclick.catalog.parse.columns import read_settings
from aaiclick.catalog.reflect_engine import reflect_engine, setting_values
from aaiclick.catalog.render import has_hidden
from aaiclick.catalog.server_objects.databases import CLOUD, EMBEDDED_DEFAULT, PLAIN
from aaiclick.errors import SpecError, UnsupportedObjectError, UsageError
from aaiclick.specs.columns import Column, ColumnFields, Constraint, Index, Projection
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import Schema, SchemaObject
from aaiclick.specs.server_objects.collections import NOT_OVERRIDABLE, OVERRIDABLE, NamedCollection
from aaiclick.specs.server_objects.databases import DATABASE, Database, DatabaseFields
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary, DictionaryFields, MaterializedView, MaterializedViewFields, View
from aaiclick.sql.cursor import Cursor
from aaiclick.sql.tokens import Tokens, unquote

OWN_PREFIX = "_aaiclick_"
RECORD_TABLE = "schema_version"


def reflect_catalog(catalog: Catalog, name: str, only: Sequence[str] = (), exclude: Sequence[str] = ()) -> Schema:
    """All objects of the database as ``Schema(version=1)``. ``unsupported`` has those that cannot be declared, with the
    reason.

    ``only``: those whose name fits one of these patterns (``shop_*``), where any is given; ``exclude``: not those.
    Tables of this library and inner tables of materialized views are left out. Raises ``UsageError`` for a pattern that
    nothing fits, and where ``exclude`` leaves nothing of ``only``.
    """
    objects: list[SchemaObject] = []
    if not only and not any(fnmatchcase(DATABASE, pattern) for pattern in exclude):
        objects += _own_database(catalog)
    unsupported: dict[str, str] = {}
    there = [live for live in catalog.objects.values() if not _is_hidden(live.name)]
    # A pattern that nothing fits is a mistake: an ``exclude`` that is spelled wrong would leave nothing out.
    for pattern in (*only, *exclude):
        if not any(fnmatchcase(live.name, pattern) for live in there):
            near = get_close_matches(pattern, [live.name for live in there], 1)
            raise UsageError(
                f"nothing in database {catalog.database} is called {pattern}"
                f"{f': did you mean {near[0]}?' if near else ''}"
            )
    for live in sorted(there, key=lambda entry: (_rank(entry.form), entry.name)):
        wanted = not only or any(fnmatchcase(live.name, pattern) for pattern in only)
        if not wanted or any(fnmatchcase(live.name, pattern) for pattern in exclude):
            continue
        try:
            objects.append(reflect_object(live.form))
        except UnsupportedObjectError as error:
            unsupported[live.name] = error.reason
    if only and not objects and not unsupported:
        raise UsageError(f"nothing is left: what {', '.join(only)} names is excluded by {', '.join(exclude)}")
    return Schema(name, version=1, objects=objects, unsupported=unsupported)


def _own_database(catalog: Catalog) -> list[Database]:
    """The database, where somebody has chosen an engine or a comment for it."""
    engine = "" if catalog.database_engine in PLAIN else catalog.engine_full or catalog.database_engine
    if not engine and not catalog.comment:
        return []
    # These two engines are the server's choice: only the comment is declared.
    known = catalog.database_engine not in (EMBEDDED_DEFAULT, CLOUD)
    return [_database(DatabaseForm(DATABASE, catalog.engine_full if known else "", catalog.comment))]


def _is_hidden(name: str) -> bool:
    return name.startswith((OWN_PREFIX, ".inner")) or name == RECORD_TABLE


def reflect_object(form: Form) -> SchemaObject:
    """The declaration of an object. Raises ``UnsupportedObjectError`` where it cannot be declared."""
    if not isinstance(form, UnsupportedForm) and has_hidden(form):
        # Declared as it is shown, the word [HIDDEN] would become the password of whoever applies the declaration.
        raise UnsupportedObjectError(form.name, "its definition holds a secret that the server does not show")
    try:
        match form:
            case TableForm():
                return reflect_table(form)
            case ViewForm():
                return _view(form)
            case DictionaryForm():
                return _dictionary(form)
            case FunctionForm():
                return Function(form.name, form.text.partition(" AS ")[2])
            case DatabaseForm():
                return _database(form)
            case CollectionForm():
                return _collection(form)
            case UnsupportedForm():
                raise UnsupportedObjectError(form.name, form.reason)
    except SpecError as error:
        raise UnsupportedObjectError(form.name, str(error)) from error


def reflect_table(form: TableForm) -> Table:
    """The declaration of a table. Raises ``UnsupportedObjectError`` where it cannot be declared."""
    plain = normal(form)
    if any(column.type.startswith("Nested(") for column in form.columns):
        # Without that setting a CREATE would split it into arrays.
        plain = dataclasses.replace(plain, settings=(*plain.settings, ("flatten_nested", "0")))
    try:
        return Table(
            plain.name,
            [_column(column) for column in plain.columns],
            engine=reflect_engine(plain),
            indexes=[
                Index(index.name, expr=index.expression, type=index.type, granularity=int(index.granularity))
                for index in plain.indexes
            ],
            projections=[_projection(form.name, projection) for projection in plain.projections],
            constraints=[
                Constraint(entry.name, check=entry.expression)
                if entry.kind == "CHECK"
                else Constraint(entry.name, assume=entry.expression)
                for entry in plain.constraints
                if not entry.name.startswith(OWN_PREFIX)  # of a run that is under way, or was killed
            ],
            comment=plain.comment or None,
        )
    except SpecError as error:
        raise UnsupportedObjectError(form.name, str(error)) from error


def _rank(form: Form) -> int:
    """Sorts objects so that each comes before those that read it."""
    return {"table": 0, "dictionary": 1, "view": 2}.get(form.kind, 3) + (
        form.kind == "view" and getattr(form, "materialized", False) is True
    )


def _column(column: ColumnForm) -> Column:
    fields: ColumnFields = {
        "default": None,
        "codec": column.codec or None,
        "comment": column.comment or None,
        "ttl": column.ttl or None,
        "settings": setting_values(column.name, column.settings),
        "statistics": column.statistics or None,
    }
    match column.kind:
        case "":
            pass
        case "DEFAULT":
            fields["default"] = column.expression
        case "MATERIALIZED":
            fields["materialized"] = column.expression
        case "ALIAS":
            fields["alias"] = column.expression
        case "EPHEMERAL":
            fields["ephemeral"] = column.expression or True
    return Column(column.name, column.type, **fields)


def _projection(table: str, projection: ProjectionForm) -> Projection:
    """``(SELECT ...)``, the same ``WITH SETTINGS (...)``, or ``INDEX ... TYPE ...``."""
    tokens = Tokens(projection.body)
    cursor = Cursor(tokens)
    if cursor.accept("INDEX"):
        expression = cursor.expression(f"projection {projection.name}")
        if cursor.accept("TYPE") and not cursor.done:
            return Projection(projection.name, index=expression, type=cursor.rest())
    elif cursor.at_op("("):
        query, tail = cursor.group().rest(), Cursor(tokens, cursor.position)
        if tail.done:
            return Projection(projection.name, query)
        if tail.accept("WITH", "SETTINGS") and tail.at_op("("):
            settings = setting_values(table, read_settings(tail.group()))
            if tail.position == len(tokens):
                return Projection(projection.name, query, settings=settings)
    raise UnsupportedObjectError(table, f"projection {projection.name} has a clause that cannot be declared")


def _view(form: ViewForm) -> View | MaterializedView:
    if not form.materialized:
        if not form.security:  # a setting of the server decides, so nothing is declared
            return View(form.name, query=form.query, comment=form.comment or None)
        return View(form.name, query=form.query, comment=form.comment or None, security=form.security)
    if any(column != ColumnForm(column.name, column.type) for column in form.columns):
        raise UnsupportedObjectError(form.name, "defaults, codecs and comments of a view's columns cannot be declared")
    fields: MaterializedViewFields = {"query": form.query}
    if form.to:
        fields["to"] = form.to
    else:
        fields["engine"] = reflect_engine(normal(inner_form(form)))
    fields["refresh"], fields["comment"] = form.refresh or None, form.comment or None
    if form.security:
        fields["security"] = form.security
    return _materialized(form.name, fields)


def _database(form: DatabaseForm) -> Database:
    fields: DatabaseFields = {"engine": form.database_engine} if form.database_engine else {}
    if form.database_comment is not None:
        fields["comment"] = form.database_comment or None
    return Database(**fields)


def _collection(form: CollectionForm) -> NamedCollection:
    """Keys without their values, which nobody shows."""
    flags = {key.name: key.overridable for key in form.collection_keys}
    return NamedCollection(
        form.name,
        dict.fromkeys(flags),
        overridable=[key for key, flag in flags.items() if flag == OVERRIDABLE],
        not_overridable=[key for key, flag in flags.items() if flag == NOT_OVERRIDABLE],
    )


def _materialized(name: str, fields: MaterializedViewFields) -> MaterializedView:
    return MaterializedView(name, **fields)


def _dictionary(form: DictionaryForm) -> Dictionary:
    clauses = dict(form.clauses)
    tokens = Tokens(clauses.get("PRIMARY KEY", ""))
    fields: DictionaryFields = {
        "columns": [_attribute(column) for column in form.columns],
        "primary_key": [_plain_name(form.name, tokens.slice(*piece)) for piece in tokens.split(0, len(tokens))],
        "source": clauses.get("SOURCE", ""),
        "layout": clauses.get("LAYOUT", "FLAT()"),
        "lifetime": clauses.get("LIFETIME"),
        "range": clauses.get("RANGE"),
        "settings": setting_values(form.name, _pairs(clauses.get("SETTINGS", ""))),
        "comment": form.comment or None,
    }
    return Dictionary(form.name, **fields)


def _attribute(column: ColumnForm) -> Column:
    """An attribute of a dictionary. Flags that only dictionaries have (HIERARCHICAL ...) are written behind the type:
    the clauses of an attribute may stand in any order."""
    extra = "".join(f" {word} {text}".rstrip() for word, text in column.settings)
    return Column(column.name, column.type + extra, default=column.expression if column.kind else None)


def _plain_name(dictionary: str, element: str) -> str:
    tokens = Tokens(element)
    if len(tokens) != 1 or not tokens.is_kind(0, "word", "name"):
        raise UnsupportedObjectError(dictionary, f"its primary key holds {element}, which is no attribute's name")
    return unquote(element)


def _pairs(listed: str) -> Settings:
    return read_settings(Cursor(Tokens(listed))) if listed else ()
