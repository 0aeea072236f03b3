"""What no database's catalogue lists, read by name."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import Catalog, Form
from aaiclick.catalog.server_objects.databases import live_database
from aaiclick.catalog.server_objects.functions import read_functions
from aaiclick.routine import Routine


def read_server_objects(wanted: Mapping[str, Form], catalog: Catalog) -> Routine[dict[str, Form]]:
    """What is there of the names and kinds of these forms."""
    found: dict[str, Form] = {}
    if functions := [name for name, form in wanted.items() if form.kind == "function"]:
        found |= yield from read_functions(functions)
    found |= {name: live_database(catalog) for name, form in wanted.items() if form.kind == "database"}
    return found
