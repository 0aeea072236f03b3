"""SQL text of forms, in the engine's own order and spelling."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from aaiclick.catalog.forms import (
    CollectionForm,
    ColumnForm,
    DatabaseForm,
    DictionaryForm,
    Form,
    FunctionForm,
    IndexForm,
    Settings,
    TableForm,
    UnsupportedForm,
    ViewForm,
)
from aaiclick.errors import UnsupportedObjectError
from aaiclick.sql.ddl import column_definition, comment_clause, create, create_named_collection, create_table
from aaiclick.sql.quoting import is_bare, quote_name
from aaiclick.sql.secrets import HIDDEN
from aaiclick.sql.tokens import TokenError, Tokens, identifier

# Switched on while a table is fenced or read-only, or naming storage that two tables cannot share.
SCRATCH_UNFIT = frozenset({"table_readonly", "table_disk"})


def scratch_unfit(name: str, value: str) -> bool:
    """True for a setting that a copy in scratch cannot have: those of ``SCRATCH_UNFIT``, and a disk described in place,
    because that is storage outside of it."""
    return name in SCRATCH_UNFIT or (name == "disk" and value.startswith("disk("))


def form_sql(form: Form, database: str, name: str, if_not_exists: bool = False) -> str:
    """The CREATE statement of a form, under any name.

    A view's query does not name its own database: run the statement with ``database`` as the current one.

    Raises ``UnsupportedObjectError`` for an unsupported form, and where the engine hides a secret: to run that text
    would store the word ``[HIDDEN]``.
    """
    if has_hidden(form):
        raise UnsupportedObjectError(
            form.name, "its definition holds a secret that the server does not show; it is never created from that text"
        )
    if isinstance(form, TableForm) and form.merge_tree and not (form.order_by or form.primary_key or form.old_syntax):
        form = dataclasses.replace(form, order_by="tuple()")  # without any key 25.8 takes no table
    return statement(form, database, name, if_not_exists)


def statement(form: Form, database: str, name: str, if_not_exists: bool = False) -> str:
    """``form_sql`` with hidden secrets: to compare, never to run."""
    where = f"{printed_name(database)}.{printed_name(name)}"
    match form:
        case TableForm():
            return create_table(
                where, ", ".join(_elements(form)), engine_tail(form), form.comment, if_not_exists=if_not_exists
            )
        case ViewForm():
            return _view(form, database, where, if_not_exists)
        case DictionaryForm():
            columns = ", ".join(attribute_form_sql(column) for column in form.columns)
            clauses = [f"{word} {text}" if word == "PRIMARY KEY" else f"{word}({text})" for word, text in form.clauses]
            return create(
                "DICTIONARY", where, f"({columns})", *clauses, comment_clause(form.comment), if_not_exists=if_not_exists
            )
        case FunctionForm():
            return form.text
        case DatabaseForm():
            engine = f"ENGINE = {form.database_engine}" if form.database_engine else ""
            return create("DATABASE", quote_name(database), engine, comment_clause(form.database_comment))
        case CollectionForm():
            pairs = (f"{quote_name(key.name)} = '{HIDDEN}' {key.overridable}".rstrip() for key in form.collection_keys)
            return create_named_collection(quote_name(form.name), tuple(pairs))
        case UnsupportedForm():
            raise UnsupportedObjectError(form.name, form.reason)


def column_form_sql(column: ColumnForm) -> str:
    """One column of a CREATE, an ADD COLUMN or a MODIFY COLUMN."""
    head = (quote_name(column.name), column.type, f"{column.kind} {column.expression}".strip() if column.kind else "")
    return column_definition(
        head, column.comment, column.codec, column.statistics, column.ttl, settings_sql(column.settings)
    )


def attribute_form_sql(column: ColumnForm) -> str:
    """One attribute of a dictionary."""
    parts = [quote_name(column.name), column.type]
    if column.kind:
        parts.append(f"{column.kind} {column.expression}")
    parts += [f"{word} {text}".rstrip() for word, text in column.settings]
    return " ".join(parts)


def index_form_sql(index: IndexForm) -> str:
    """An index as it stands behind INDEX or ADD INDEX."""
    granularity = f" GRANULARITY {index.granularity}" if index.granularity else ""
    return f"{printed_name(index.name)} {index.expression} TYPE {index.type}{granularity}"


def settings_sql(settings: Settings) -> str:
    """``a = 1, b = 'x'`` in the order given."""
    return ", ".join(f"{name} = {value}" for name, value in settings)


def engine_tail(form: TableForm) -> str:
    """From ``ENGINE =`` to the end of SETTINGS."""
    if form.old_syntax:
        return f"ENGINE = {printed_name(form.engine)}({form.old_syntax})"
    arguments = f"({form.arguments})" if form.arguments else ""
    clauses = (
        ("PARTITION BY", form.partition_by),
        ("PRIMARY KEY", form.primary_key),
        ("ORDER BY", form.order_by),
        ("SAMPLE BY", form.sample_by),
        ("TTL", form.ttl),
        ("SETTINGS", settings_sql(form.settings)),
    )
    return " ".join(
        [f"ENGINE = {printed_name(form.engine)}{arguments}", *(f"{word} {text}" for word, text in clauses if text)]
    )


def printed_name(name: str) -> str:
    """An identifier as the engine prints it: quoted only where it has to be."""
    # The engine prints ENGINE = `Null` in quotes, because NULL is a literal.
    return name if is_bare(name) and name.upper() != "NULL" else quote_name(name)


def target_text(database: str | None, name: str) -> str:
    """The text of ``ViewForm.to``: the table's name, or ``db.name`` in another database, quoted where needed."""
    if database is not None:
        return f"{printed_name(database)}.{printed_name(name)}"
    return name if target_parts(name) == (None, name) else quote_name(name)


def target_parts(to: str) -> tuple[str | None, str]:
    """Database (None: the view's own) and name in a ``ViewForm.to``. A text that is no identifier is a table's name."""
    try:
        tokens = Tokens(to)
    except TokenError:
        return None, to
    parts, behind = identifier(tokens, 0)
    if behind != len(tokens) or len(parts) not in (1, 2):
        return None, to
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def has_hidden(form: Form) -> bool:
    """True where the engine printed ``[HIDDEN]`` in place of a secret (comments do not count)."""
    if isinstance(form, UnsupportedForm | FunctionForm):
        return HIDDEN in form.text
    if isinstance(form, CollectionForm):
        return False  # it has no values
    if isinstance(form, DatabaseForm):
        return HIDDEN in form.database_engine
    # A user may write that word into a comment.
    return HIDDEN in statement(_without_comments(form), "", "")


def local_family(form: TableForm) -> TableForm:
    """The table as a copy in scratch can be: with the local engine for a Replicated or Shared one, and without settings
    that a copy cannot have."""
    settings = tuple(pair for pair in form.settings if not scratch_unfit(*pair))
    return dataclasses.replace(local_engine(form), settings=settings)


def local_engine(form: TableForm) -> TableForm:
    """The table with the local engine in place of a Replicated or Shared one."""
    engine, arguments = form.engine, form.arguments
    # Both wrap an engine of the family, and put path and replica in front of its own arguments.
    for prefix in ("Replicated", "Shared"):
        if form.merge_tree and engine.startswith(prefix):
            engine, arguments = engine[len(prefix) :], _local_arguments(arguments)
    return dataclasses.replace(form, engine=engine, arguments=arguments)


def _local_arguments(arguments: str) -> str:
    """Path and replica are two string literals; what follows belongs to the engine."""
    tokens = Tokens(arguments)
    pieces = tokens.split(0, len(tokens))
    literal = [end - start == 1 and tokens.is_kind(start, "string") for start, end in pieces[:2]]
    kept = pieces[2:] if literal == [True, True] else pieces
    return ", ".join(tokens.slice(*piece) for piece in kept)


def _without_comments(form: TableForm | ViewForm | DictionaryForm) -> TableForm | ViewForm | DictionaryForm:
    columns = tuple(dataclasses.replace(column, comment="") for column in form.columns)
    return dataclasses.replace(form, columns=columns, comment="")


def _elements(form: TableForm) -> Sequence[str]:
    return [
        *(column_form_sql(column) for column in form.columns),
        *(f"INDEX {index_form_sql(index)}" for index in form.indexes),
        *(
            f"CONSTRAINT {printed_name(constraint.name)} {constraint.kind} {constraint.expression}"
            for constraint in form.constraints
        ),
        *(f"PROJECTION {printed_name(projection.name)} {projection.body}" for projection in form.projections),
    ]


def _view(form: ViewForm, database: str, where: str, if_not_exists: bool) -> str:
    target, name = target_parts(form.to)
    head = "MATERIALIZED VIEW" if form.materialized else "VIEW"
    parts = [
        f"REFRESH {form.refresh}" if form.refresh else "",
        f"TO {printed_name(target or database)}.{printed_name(name)}" if form.to else "",
        f"({', '.join(column_form_sql(column) for column in form.columns)})" if form.columns else "",
        form.inner,
        form.security,
        comment_clause(form.comment),
        f"AS {form.query}",
    ]
    return create(head, where, *parts, if_not_exists=if_not_exists)
