"""What a warm start compares of what no definition of a table shows."""

from __future__ import annotations

from aaiclick.catalog.server_objects.collections import collection_stamp
from aaiclick.catalog.server_objects.databases import database_stamp
from aaiclick.catalog.server_objects.functions import function_stamp
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def server_stamps(schema: Schema, database: str | None) -> Routine[tuple[str, ...]]:
    """Digests of the declared functions and named collections, and of the database, as they are; '' for what is not
    declared. ``database``: None for the current one."""
    functions = yield from function_stamp(schema.function_names)
    if names := frozenset(item.name for item in schema.named_collections):
        functions = "+".join(part for part in (functions, (yield from collection_stamp(names))) if part)
    if not schema.declares_database:
        return (functions,)
    return functions, (yield from database_stamp(database))
