"""The canonical form of every declared object, made by an embedded engine in another process: it needs no database and
touches none."""

from __future__ import annotations

from aaiclick.api.located import locate
from aaiclick.clients.temporary_engine import temporary_engine
from aaiclick.commands.declared_forms import forms_of
from aaiclick.errors import SpecError
from aaiclick.routine import run
from aaiclick.specs.schema import Schema
from aaiclick.versions.lockfile import LockedForm


def declared_forms(schema: Schema) -> tuple[Schema, dict[str, LockedForm]]:
    """The schema with its SQL read, and the forms by name. Families of tables, whose tables are made at run time, are
    left out. Variables have their defaults: that is what is released.

    Raises ``SpecError`` where the engine refuses the declaration, ``ConnectionFailed`` where no engine can be started.
    """
    return forms_with_values(schema.with_defaults())


def forms_with_values(schema: Schema) -> tuple[Schema, dict[str, LockedForm]]:
    """The same of a schema whose variables have values already."""
    with temporary_engine() as engine:
        try:
            return run(forms_of(schema), engine)
        except SpecError as error:
            locate(error, schema)
            raise
