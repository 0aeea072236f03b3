"""The canonical form of every declared object, made in a database that nobody else uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aaiclick.apply.collection import without_values
from aaiclick.catalog.declared_tables import canonical_tables
from aaiclick.catalog.forms import TableForm, UnsupportedForm, ViewForm
from aaiclick.catalog.from_sql.declarations import read_sql
from aaiclick.catalog.normalize import inner_form
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.render import engine_tail
from aaiclick.catalog.scratch import with_scratch
from aaiclick.catalog.secrets import hidden_form
from aaiclick.catalog.server_objects.collections import declared_collection
from aaiclick.catalog.server_objects.databases import declared_database
from aaiclick.catalog.server_objects.functions import read_functions
from aaiclick.commands.ensure import ensure
from aaiclick.commands.start.run import Run
from aaiclick.error_codes import NAMED_COLLECTION_ALREADY_EXISTS
from aaiclick.errors import SpecError, StatementError
from aaiclick.lease.owner import Owner
from aaiclick.plan.declaration.names import refused_name
from aaiclick.plan.policy import Policy
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.specs.engines import Engine, MergeTree
from aaiclick.specs.schema import AnyObject, Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database
from aaiclick.specs.tables import Table
from aaiclick.specs.views import MaterializedView, TableFamily, View
from aaiclick.sql.ddl import create, create_named_collection
from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.secrets import secret_setting
from aaiclick.version import VERSION
from aaiclick.versions.lockfile import LockedForm

_NEED_A_SERVER = frozenset(
    {"AzureQueue", "FileLog", "Kafka", "KeeperMap", "MaterializedPostgreSQL", "NATS", "RabbitMQ", "S3Queue"}
)
"""Engines that the embedded one knows by name alone: they need threads, a broker or Keeper, which it does not have."""

_SHORT = "d"
"""A database whose name leaves most room for those of tables."""


_NOWHERE = {
    "url": "https://nowhere.s3.amazonaws.com/file.csv",
    "filename": "file.csv",
    "format": "CSV",
    "host": "localhost",
    "hostname": "localhost",
    "host:port": "localhost:1",
    "addresses_expr": "localhost:1",
}
"""Values that look like what the key has to hold. For any other key 1 does: it is a number, a flag and a text."""


def forms_of(declared: Schema) -> Routine[tuple[Schema, dict[str, LockedForm]]]:
    """The schema with its SQL read, and the forms by name, without families. Raises SpecError where the engine refuses
    the declaration.

    A table whose engine this one cannot make (``Kafka`` and the like) is formatted and not made: its form is what is
    written. A replicated table is made of the local engine, because this engine has no Keeper, and its form names the
    declared one.
    """
    schema = yield from read_sql(declared)
    here = schema.with_local_engines().objects
    objects = [_by_anybody(item) for item in here if not isinstance(item, TableFamily | Database | NamedCollection)]
    elsewhere = yield from _elsewhere(objects)
    made = [_stand_in(item) if isinstance(item, Table) and item in elsewhere else item for item in objects]
    yield from _stand_in_collections(schema)
    # Without version and migrations: only what the engine makes of the objects is asked.
    alone = Schema(schema.name, version=None, objects=made)
    database = yield from _database_for(objects)
    # As a start makes them: what that refuses cannot be released either.
    yield from ensure(Run(alone, database, Policy.everything(), Owner("", "", 0), True, VERSION))
    catalog = yield from read_catalog(database, tuple(item.name for item in objects))
    forms: dict[str, LockedForm] = {}
    for name, live in sorted(catalog.objects.items()):
        if isinstance(live.form, UnsupportedForm):
            raise SpecError(f"{schema.name}: {name}", f"cannot be released: {live.form.reason}")
        forms[name] = _as_declared(live.form, schema.get(name))
    # These take the place of what their stand-ins have become.
    if elsewhere:
        forms |= yield from with_scratch(lambda scratch: canonical_tables(scratch, elsewhere))
    forms |= yield from read_functions(schema.function_names)
    forms |= {item.name: declared_collection(item) for item in schema.named_collections}
    forms |= {item.name: declared_database(item) for item in schema.objects if isinstance(item, Database)}
    return schema, {name: hidden_form(form) for name, form in forms.items()}


def _database_for(objects: Sequence[AnyObject]) -> Routine[str | None]:
    """The engine's own database, where a declaration may name it; another one for names that only this one refuses."""
    if not any(refused_name(item.name, "default", "Overlay") for item in objects):
        return None
    yield Command(create("DATABASE", quote_name(_SHORT), "ENGINE = Atomic"))
    return _SHORT


def _elsewhere(objects: Sequence[AnyObject]) -> Routine[list[Table]]:
    """Tables that this engine cannot make: their definition is taken as it is written, formatted by the engine."""
    outside: dict[str, str] = {}
    for item in objects:
        if isinstance(item, Table) and isinstance(item.engine, Engine):
            outside[item.name] = item.engine.name
    if not outside:
        return []
    known = {text(row[0]) for row in (yield Query("SELECT name FROM system.table_engines"))} - _NEED_A_SERVER
    return [item for item in objects if isinstance(item, Table) and outside.get(item.name, "") not in {"", *known}]


def _stand_in(table: Table) -> Table:
    """A table with the same columns, for the views that read it."""
    return Table(table.name, table.columns, engine=MergeTree(order_by=[]), comment=table.comment)


def _stand_in_collections(schema: Schema) -> Routine[None]:
    """Make the declared named collections with values that lead nowhere, for the tables that name them."""
    for item in schema.named_collections:
        pairs = [f"{quote_name(key)} = {quote_string(_stand_in_value(key, item.keys[key]))}" for key in item.keys]
        try:
            yield Command(create_named_collection(quote_name(item.name), pairs))
        except StatementError as error:
            # They belong to the server and to no database: one of that name may be there from another schema.
            if error.code != NAMED_COLLECTION_ALREADY_EXISTS:
                told = without_values(error, {item.name: item})
                raise SpecError(f"named collection {item.name}", str(told)) from None


def _stand_in_value(key: str, value: object) -> str:
    """What makes a table what it is has to be as declared; where it leads, and how one gets in, is not tried."""
    elsewhere = key in _NOWHERE and key != "format"
    if value is None or "${" in str(value) or secret_setting(key) or elsewhere:
        return _NOWHERE.get(key, "1")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _by_anybody(item: AnyObject) -> AnyObject:
    """A view without its definer: nobody else has an account on this engine."""
    return item.model_copy(update={"security": None}) if isinstance(item, View | MaterializedView) else item


def _as_declared(form: LockedForm, item: object) -> LockedForm:
    if isinstance(item, View | MaterializedView) and isinstance(form, ViewForm):
        form = replace(form, security=item.security or "")
    engine = getattr(item, "engine", None)
    if not isinstance(engine, MergeTree) or engine.replicated is None:
        return form
    if isinstance(form, TableForm):
        return _replicated(form, engine.replicated)
    if isinstance(form, ViewForm) and form.inner:
        inner = replace(_replicated(inner_form(form), engine.replicated), columns=())
        return replace(form, inner=engine_tail(inner))
    return form


def _replicated(form: TableForm, replicated: str) -> TableForm:
    """The form with the Replicated engine of its family, and these arguments in front of its own."""
    arguments = ", ".join(part for part in (replicated, form.arguments) if part)
    return replace(form, engine=f"Replicated{form.engine}", arguments=arguments)
