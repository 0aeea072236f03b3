"""What no database's catalogue lists, read by name."""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import Catalog, CollectionForm, CollectionKey, Form
from aaiclick.catalog.server_objects.collections import LiveCollection, read_collections
from aaiclick.catalog.server_objects.databases import live_database
from aaiclick.catalog.server_objects.functions import read_functions
from aaiclick.routine import Routine


def _as_wanted(live: LiveCollection, wanted: Form) -> CollectionForm:
    """The live keys, with what is wanted of them where it is so, or cannot be seen; keys that are not wanted are left
    out."""
    assert isinstance(wanted, CollectionForm)
    flags = {key.name: key.overridable for key in wanted.collection_keys}
    keys = (
        key if live.shows_flags and flags[key.name] else CollectionKey(key.name, flags[key.name])
        for key in live.form.collection_keys
        if key.name in flags
    )
    return CollectionForm(live.form.name, tuple(keys))


def read_server_objects(wanted: Mapping[str, Form], catalog: Catalog) -> Routine[dict[str, Form]]:
    """What is there of the names and kinds of these forms."""
    found: dict[str, Form] = {}
    if functions := [name for name, form in wanted.items() if form.kind == "function"]:
        found |= yield from read_functions(functions)
    if collections := [name for name, form in wanted.items() if form.kind == "named collection"]:
        read = yield from read_collections(collections)
        found |= {name: _as_wanted(live, wanted[name]) for name, live in read.items()}
    found |= {name: live_database(catalog) for name, form in wanted.items() if form.kind == "database"}
    return found
