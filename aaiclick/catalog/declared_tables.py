"""Declared tables in canonical form: created empty in scratch, and read back as the engine shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from aaiclick.catalog.declared_views import canonical_views
from aaiclick.catalog.forms import Catalog, ColumnForm, Form, LiveObject, TableForm, UnsupportedForm
from aaiclick.catalog.parse.create import split_create
from aaiclick.catalog.render import form_sql, local_family, scratch_unfit
from aaiclick.catalog.scratch import Scratch
from aaiclick.catalog.scratch_objects import (
    attach_definition,
    formatted,
    instantiable,
    make,
    masked,
    read_forms,
    sentence,
)
from aaiclick.catalog.secrets import conceal
from aaiclick.errors import SpecError, StatementError, UnsupportedObjectError
from aaiclick.routine import Routine
from aaiclick.specs.ddl import create_table_sql, setting_literal
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.tables import Table
from aaiclick.sql.database_prefix import without_current_database
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.tokens import split_top, unquote

__all__ = [
    "Rewriting",
    "canonical_forms",
    "canonical_tables",
    "canonical_views",
    "create_clone",
    "create_or_load_clone",
    "instantiable_table",
]
Problem = tuple[str, str]
_ANY = "any"


def canonical_tables(
    scratch: Scratch,
    tables: Sequence[Table],
    catalog: Catalog | None = None,
    live: Mapping[str, LiveObject] | None = None,
    rewriting: Rewriting | None = None,
) -> Routine[dict[str, TableForm]]:
    """The form of each declared table, by name: all CREATEs, then one SELECT. Tables that differ only in their names
    are created once.

    Replicated tables are created with the local engine, and the form names the declared engine again. Engines that
    reach outside (Kafka, S3, Distributed, Buffer ...) are never created: the engine formats their definition, and a
    plain table with the same columns gives their types. With a ``catalog``, secrets that the live table hides are
    hidden in the form, too. ``live`` has the live table for a declaration: where this server would not create such a
    table, but loads the live one, the declaration is loaded in the same way. ``rewriting``: live tables that are read
    back with them.

    Raises ``SpecError`` with the engine's message for the first table that it refuses; the others are mentioned.
    """
    problems: list[Problem] = []
    foreign: dict[str, TableForm] = {}
    tables = tables if catalog is None else [_at_home(table, catalog.database) for table in tables]
    # For each CREATE, without the name in it, the table that was created for it.
    made: dict[str, str] = {}
    alike: dict[str, str] = {}
    for table in tables:
        if instantiable_table(table):
            local = _local(table)
            # Thousands of tables of one form need only one table in scratch.
            first = made.setdefault(create_table_sql(local, scratch.database, _ANY), table.name)
            if first != table.name:
                alike[table.name] = first
                continue
            sql = create_table_sql(local, scratch.database, scratch.name(table.name))
            error = yield from make(scratch, sql)
            if error is not None and (yield from _outlived(scratch, table, (live or {}).get(table.name))):
                # The refusal of the CREATE is the one to tell: it says what is wrong with the declaration.
                error = error if (yield from attach_definition(scratch, sql)) is not None else None
        else:
            # A table of such an engine may connect to something as soon as it exists, so it is never created, not
            # even empty.
            plain = Table(table.name, table.columns, engine=MergeTree(order_by=[]))
            error = yield from make(scratch, create_table_sql(plain, scratch.database, scratch.name(table.name)))
            if error is None:
                error = yield from _format_foreign(scratch, table, foreign, problems)
        if error is not None:
            problems.append((table.name, sentence(scratch, error)))
    # Before anything is read: what was refused is not there.
    _raise_first(problems)
    # All definitions in one SELECT: created and read one by one, the tables would take twice as long.
    forms = yield from _read(scratch, [table.name for table in tables if table.name not in alike], rewriting)
    for name, first in alike.items():
        if first in forms:
            forms[name] = dataclasses.replace(forms[first], name=name)
    known = {table.name: _declared(table, forms.get(table.name), foreign.get(table.name), problems) for table in tables}
    _raise_first(problems)
    return {name: _hidden(form, catalog) for name, form in known.items() if form is not None}


def _read(scratch: Scratch, names: list[str], rewriting: Rewriting | None) -> Routine[dict[str, Form]]:
    if rewriting is None:
        return (yield from read_forms(scratch, names))
    forms = yield from read_forms(scratch, [*names, *(yield from rewriting.make(scratch))])
    rewriting.take(forms)
    return forms


def create_clone(scratch: Scratch, form: TableForm, name: str) -> Routine[str]:
    """Create an empty table of that form in scratch; its name there.

    Raises ``UnsupportedObjectError`` for an engine that reaches outside, and ``StatementError`` where the engine
    refuses the form.
    """
    return (yield from create_or_load_clone(scratch, form, name))[0]


def create_or_load_clone(scratch: Scratch, form: TableForm, name: str) -> Routine[tuple[str, str]]:
    """``create_clone``, and why the engine would not create such a table but only loads it; '' where it creates it."""
    local = local_family(form)
    if not instantiable(local.engine, local.arguments):
        raise UnsupportedObjectError(form.name, f"an empty copy of a {form.engine} table would not keep to itself")
    error = yield from make(scratch, form_sql(local, scratch.database, scratch.name(name)), replay=True)
    if error is None:
        return scratch.name(name), ""
    if (
        not local.merge_tree
        or (yield from attach_definition(scratch, form_sql(local, scratch.database, scratch.name(name)))) is not None
    ):
        raise error
    return scratch.name(name), sentence(scratch, error)


class Rewriting:
    """Live tables in the text of this server: each is created empty in scratch, and read back. Another release may have
    written the same definition in other words."""

    def __init__(self, forms: Sequence[TableForm]) -> None:
        self.forms = forms
        self._made: dict[TableForm, str] = {}
        self._read: Mapping[str, Form] = {}

    def make(self, scratch: Scratch) -> Routine[list[str]]:
        """Create them, with ``~live`` behind their names; the names under which they are to be read."""
        for form in self.forms:
            plain = dataclasses.replace(form, name="")
            if plain in self._made:
                continue
            try:
                yield from create_clone(scratch, form, f"{form.name}~live")
            except (StatementError, UnsupportedObjectError):
                continue
            self._made[plain] = f"{form.name}~live"
        return list(self._made.values())

    def take(self, read: Mapping[str, Form]) -> None:
        """What was read under these names."""
        self._read = read

    def found(self) -> dict[str, Form]:
        """The forms by the names of the tables. One that cannot be created stays as it is."""
        return {form.name: self._rewritten(form) for form in self.forms}

    def _rewritten(self, form: TableForm) -> Form:
        read = self._read.get(self._made.get(dataclasses.replace(form, name=""), ""))
        if not isinstance(read, TableForm):
            return form
        kept = tuple(pair for pair in form.settings if scratch_unfit(*pair))
        return dataclasses.replace(
            read,
            name=form.name,
            engine=form.engine,
            arguments=_kept_arguments(form, read),
            settings=(*read.settings, *kept),
        )


def canonical_forms(scratch: Scratch, forms: Sequence[TableForm]) -> Routine[dict[str, Form]]:
    """Live tables in the text of this server (``Rewriting``), by name."""
    rewriting = Rewriting(forms)
    rewriting.take((yield from read_forms(scratch, (yield from rewriting.make(scratch)))))
    return rewriting.found()


def _outlived(scratch: Scratch, table: Table, live: LiveObject | None) -> Routine[bool]:
    """True where this server loads the live table but would not create it. A declared Nested cannot be compared:
    loading keeps it whole."""
    if (
        live is None
        or not isinstance(live.form, TableForm)
        or any(column.type.lstrip().lower().startswith("nested") for column in table.columns)
    ):
        return False
    try:
        _, refusal = yield from create_or_load_clone(scratch, live.form, f"{table.name}~outlived")
    except (StatementError, UnsupportedObjectError):
        return False
    return bool(refusal)


def _kept_arguments(form: TableForm, read: TableForm) -> str:
    return read.arguments if read.engine == form.engine else form.arguments


def instantiable_table(table: Table) -> bool:
    """True where scratch can hold an empty table of its engine, or of the local one of its family."""
    return isinstance(table.engine, MergeTree) or instantiable(table.engine.name, table.engine.arguments)


def _at_home(table: Table, database: str) -> Table:
    """The declaration with the database's name for ``currentDatabase()`` in an engine's arguments.

    The engine replaces it when the table is created, and in scratch that would be the name of the scratch database.
    """
    engine = table.engine
    if isinstance(engine, MergeTree):
        return table
    arguments = without_current_database(engine.arguments, database)
    return (
        table
        if arguments == engine.arguments
        else table.model_copy(update={"engine": engine.model_copy(update={"arguments": arguments})})
    )


def _local(table: Table) -> Table:
    """The declaration as scratch can hold it: not replicated, and without settings that a copy cannot have."""
    engine = table.engine
    settings = {name: value for name, value in engine.settings.items() if not scratch_unfit(name, str(value))}
    changed: dict[str, object] = {"settings": settings}
    if isinstance(engine, MergeTree):
        # A second table under the same replication path would become a replica of the live one.
        changed["replicated"] = None
    return table.model_copy(update={"engine": engine.model_copy(update=changed)})


def _format_foreign(
    scratch: Scratch, table: Table, foreign: dict[str, TableForm], problems: list[Problem]
) -> Routine[StatementError | None]:
    try:
        written = yield from formatted(create_table_sql(table, scratch.database, described=True))
    except StatementError as error:
        return error
    form = split_create(written, scratch.database)
    if isinstance(form, TableForm):
        shown = yield from masked(create_table_sql(table, scratch.database, described=True))
        hidden = split_create(shown, scratch.database) if shown else form
        concealed = conceal(form, hidden)
        foreign[table.name] = concealed if isinstance(concealed, TableForm) else form
    elif isinstance(form, UnsupportedForm):
        problems.append((table.name, f"cannot be managed: {form.reason}"))
    return None


def _declared(table: Table, made: Form | None, foreign: TableForm | None, problems: list[Problem]) -> TableForm | None:
    """The form as declared, with what was changed for scratch put back."""
    if not isinstance(made, TableForm):
        reason = made.reason if isinstance(made, UnsupportedForm) else "the engine does not show its definition"
        problems.append((table.name, f"cannot be managed: {reason}"))
        return None
    if foreign is not None:
        columns = tuple(_typed(column, made) for column in foreign.columns)
        return dataclasses.replace(foreign, name=table.name, columns=columns)
    engine, arguments = made.engine, made.arguments
    if isinstance(table.engine, MergeTree) and table.engine.replicated is not None:
        engine, arguments = (
            f"Replicated{engine}",
            ", ".join(part for part in (table.engine.replicated, arguments) if part),
        )
    literals = (
        (name, setting_literal(value)) for name, value in sorted(table.engine.settings.items()) if value is not None
    )
    unfit = tuple((name, literal) for name, literal in literals if scratch_unfit(name, literal))
    return dataclasses.replace(made, engine=engine, arguments=arguments, settings=(*made.settings, *unfit))


def _typed(column: ColumnForm, made: TableForm) -> ColumnForm:
    return made.column(column.name) or column


def _hidden(form: TableForm, catalog: Catalog | None) -> TableForm:
    if form.engine == "Alias":
        # The engine quotes the names; formatting alone leaves them as they are.
        form = dataclasses.replace(
            form, arguments=", ".join(quote_string(unquote(name)) for name in split_top(form.arguments))
        )
    live = catalog.get(form.name) if catalog is not None else None
    concealed = conceal(form, live.form if live is not None else None)
    return concealed if isinstance(concealed, TableForm) else form


def _raise_first(problems: Sequence[Problem]) -> None:
    if problems:
        name, problem = problems[0]
        others = "".join(f". Also {other}: {said}" for other, said in problems[1:])
        raise SpecError(f"table {name}", problem + others)
