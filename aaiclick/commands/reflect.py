"""Reads a live database as a declaration."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def reflect(
    database: str | None, name: str | None, only: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Routine[Schema]:
    """The objects of a database; the schema is called as the database, where no ``name`` is given."""
    catalog = yield from read_catalog(database)
    return reflect_catalog(catalog, name or catalog.database, only, exclude)
