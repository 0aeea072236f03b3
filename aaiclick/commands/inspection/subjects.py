"""What is declared, as hosts of a cluster are asked for it."""

from __future__ import annotations

from aaiclick.clickhouse.every_host import Subject
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import TableFamily


def objects_of(schema: Schema, database: str) -> Subject:
    """The objects that the database's catalogue lists. The schema's SQL is read."""
    outside = schema.server_objects
    names = (item.name for item in schema.objects if not isinstance(item, TableFamily) and item not in outside)
    return Subject(database, tuple(names))


def subjects_of(schema: Schema, database: str) -> tuple[Subject, ...]:
    """All that is declared, one subject for each kind of list that the server has."""
    functions = tuple(item.name for item in schema.objects if isinstance(item, Function))
    collections = tuple(item.name for item in schema.named_collections)
    home = (database,) if schema.declares_database else ()
    listed = (
        objects_of(schema, database),
        Subject("", functions, "FUNCTION"),
        Subject("", collections, "NAMED COLLECTION"),
        Subject("", home, "DATABASE"),
    )
    return tuple(subject for subject in listed if subject.names)
