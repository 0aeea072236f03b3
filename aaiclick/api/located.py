"""Adds file, line and statement to errors about objects that are declared as SQL."""

from __future__ import annotations

from aaiclick.errors import ApplyError, SpecError
from aaiclick.specs.schema import Schema


def locate(error: Exception, schema: Schema | None) -> None:
    """An error about an object of the schema that is declared as SQL names file, line and statement."""
    for item in schema.declared_as_sql if schema is not None else ():
        begins = f"{item.noun} {item.name}"
        if type(error) is SpecError and (
            error.path == begins or error.path.startswith((f"{begins}:", f"{item.name}:"))
        ):
            error.path = f"{item.place()}{error.path.removeprefix(begins)}"
            error.args = (f"{error.path}: {error.problem}",)
            return
        if type(error) is ApplyError and str(error).startswith(f"step {item.name}:create ("):
            error.args = (f"{item.place()}: {error}",)
            return
