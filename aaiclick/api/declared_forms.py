"""The canonical form of every declared object, made by an embedded engine in another process: it needs no database and
touches none."""

from __future__ import annotations

from aaiclick.api.located import locate
from aaiclick.apply.collection import without_values
from aaiclick.clients.temporary_engine import temporary_engine
from aaiclick.commands.declared_forms import forms_of
from aaiclick.error_codes import NAMED_COLLECTION_DOESNT_EXIST
from aaiclick.errors import ApplyError, SpecError, StatementError
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
        except ApplyError as error:
            told = without_values(error, {item.name: item for item in schema.named_collections})
            refused = _refused(told, schema)
            if refused is None:
                raise told from told.__cause__
            locate(refused, schema)
            raise refused from told


def _refused(error: ApplyError | StatementError, schema: Schema) -> SpecError | None:
    """What the engine says of one object. Nothing was begun that another run could go on with."""
    said = error.__cause__
    item = next((item for item in schema.objects if str(error).startswith(f"step {item.name}:create (")), None)
    if not isinstance(said, StatementError) or item is None:
        return None
    why = f"the embedded engine, on which it is made for a release, refuses it: {said}"
    if said.code == NAMED_COLLECTION_DOESNT_EXIST:
        why += (
            ". That engine has none of the server's named collections: declare the collection, too, or what reads it "
            "in a Schema without migrations, which needs no lock file"
        )
    return SpecError(f"{item.noun} {item.name}", why)
