"""Reads a live database as a declaration."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.catalog.read import read_catalog
from aaiclick.catalog.reflect import reflect_catalog
from aaiclick.catalog.server_objects.named_in import with_named_collections
from aaiclick.clickhouse.shared.bookkeeping import with_bookkeeping
from aaiclick.commands.inspection.own_settings import SETTINGS, own_settings, without_own_settings
from aaiclick.commands.inspection.where_recorded import recorded_here
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema
from aaiclick.state.owned import read_owned_here, with_notes
from aaiclick.state.recorded_state import read_recorded_state


def reflect(
    database: str | None, name: str | None, only: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Routine[Schema]:
    """The objects of a database; the schema is called as the database, where no ``name`` is given.

    Settings that tables have because of this library are left out. Named collections that are named come with it, an
    environment variable in place of each value.
    """
    catalog = yield from read_catalog(database)
    if any(isinstance(live.form, TableForm) and _sets_ours(live.form) for live in catalog.objects.values()):
        catalog = yield from _without_ours(catalog)
    schema = reflect_catalog(catalog, name or catalog.database, only, exclude)
    return (yield from with_named_collections(schema, exclude))


def _sets_ours(form: TableForm) -> bool:
    return any(setting in SETTINGS for setting, _ in form.settings)


def _without_ours(catalog: Catalog) -> Routine[Catalog]:
    owned = yield from read_owned_here(catalog.database)
    books = recorded_here(owned)
    owned = yield from with_notes(owned, books)
    recorded = yield from with_bookkeeping(read_recorded_state(owned, ""), books)
    return without_own_settings(catalog, own_settings(owned, recorded.block_numbers, catalog))
