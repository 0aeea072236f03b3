"""A live database as a declaration."""

from __future__ import annotations

from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def reflect(database: str | None, name: str | None) -> Routine[Schema]:
    """Every object of a database; the schema is called as the database, where no ``name`` is given."""
    catalog = yield from read_catalog(database)
    return reflect_catalog(catalog, name or catalog.database)
