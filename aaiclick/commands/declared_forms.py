"""The canonical form of every declared object, made in a database that nobody else uses."""

from __future__ import annotations

from aaiclick.catalog.forms import UnsupportedForm
from aaiclick.catalog.functions import read_functions
from aaiclick.catalog.read import read_catalog
from aaiclick.commands.ensure import ensure
from aaiclick.commands.migrate import Run
from aaiclick.errors import SpecError
from aaiclick.lease.owner import Owner
from aaiclick.plan.policy import Policy
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema, SchemaObject
from aaiclick.specs.views import TableFamily
from aaiclick.version import VERSION
from aaiclick.versions.lockfile import LockedForm


def forms_of(schema: Schema) -> Routine[dict[str, LockedForm]]:
    """The forms by name, without families. Raises SpecError where the engine refuses the declaration."""
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
