"""The canonical form of every declared object, made by an embedded engine in another process: no database is needed, none is touched."""

from __future__ import annotations

from aaiclick.catalog.forms import UnsupportedForm
from aaiclick.catalog.functions import read_functions
from aaiclick.catalog.read import read_catalog
from aaiclick.clients.temporary_engine import engine_elsewhere
from aaiclick.commands.ensure import Run, ensure
from aaiclick.errors import SpecError
from aaiclick.lease.owner import Owner
from aaiclick.plan.policy import Policy
from aaiclick.routine import Routine, run
from aaiclick.specs.schema import Schema, SchemaObject
from aaiclick.specs.views import TableFamily
from aaiclick.version import VERSION
from aaiclick.versions.lockfile import LockedForm


def declared_forms(schema: Schema) -> dict[str, LockedForm]:
    """The forms by name. Families of tables, whose tables are made at run time, are left out.

    Raises ``SpecError`` where the engine refuses the declaration, ``ConnectionFailed`` where no engine can be started.
    """
    with engine_elsewhere() as engine:
        return run(_made(schema), engine)


def _made(schema: Schema) -> Routine[dict[str, LockedForm]]:
    objects: list[SchemaObject] = [item for item in schema.objects if not isinstance(item, TableFamily)]
    alone = Schema(schema.name, version=None, objects=objects)
    yield from ensure(Run(alone, None, Policy.everything(), Owner("", "", 0), True, VERSION))
    catalog = yield from read_catalog(None, tuple(item.name for item in objects))
    forms: dict[str, LockedForm] = {}
    for name, live in sorted(catalog.objects.items()):
        if isinstance(live.form, UnsupportedForm):
            raise SpecError(f"{schema.name}: {name}", f"cannot be released: {live.form.reason}")
        forms[name] = live.form
    return {**forms, **(yield from read_functions(function.name for function in schema.functions))}
