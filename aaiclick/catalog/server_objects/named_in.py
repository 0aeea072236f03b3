"""The named collections that a reflected schema names, as declarations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from aaiclick.catalog.server_objects.collections import LiveCollection, read_collections
from aaiclick.routine import Routine
from aaiclick.specs.engines import Engine
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.collections import NOT_OVERRIDABLE, OVERRIDABLE, NamedCollection
from aaiclick.specs.tables import Table
from aaiclick.specs.views import Dictionary
from aaiclick.sql.tokens import Tokens, unquote


def with_named_collections(schema: Schema, exclude: Sequence[str] = ()) -> Routine[Schema]:
    """The schema with the collections that its tables and dictionaries name, as far as this user may see them. In place
    of each value stands an environment variable. One of the server's configuration is the configuration's."""
    names = [name for name in _named(schema) if not any(fnmatchcase(name, pattern) for pattern in exclude)]
    if not names:
        return schema
    live = yield from read_collections(names)
    found = [_declared(each) for each in live.values() if not each.configured]
    declared = {item.name for item in schema.objects}
    return schema.model_copy(
        update={"objects": [*(item for item in found if item.name not in declared), *schema.objects]}
    )


def _named(schema: Schema) -> list[str]:
    """Whatever stands where a collection may be named."""
    found: set[str] = set()
    for item in schema.objects:
        if isinstance(item, Table) and isinstance(item.engine, Engine):
            tokens = Tokens(item.engine.arguments)
            if tokens.is_kind(0, "word", "name") and not tokens.is_op(1, "("):
                found.add(unquote(tokens.items[0].text))
        elif isinstance(item, Dictionary):
            tokens = Tokens(item.source)
            found |= {
                unquote(tokens.items[place + 1].text)
                for place in range(len(tokens) - 1)
                if tokens.is_word(place, "NAME") and tokens.is_kind(place + 1, "word", "name", "string")
            }
    return sorted(found)


def _declared(live: LiveCollection) -> NamedCollection:
    name, flags = live.form.name, {key.name: key.overridable for key in live.form.collection_keys}
    return NamedCollection(
        name,
        {key: f"${{{_variable(name, key)}}}" for key in flags},
        overridable=[key for key, flag in flags.items() if flag == OVERRIDABLE],
        not_overridable=[key for key, flag in flags.items() if flag == NOT_OVERRIDABLE],
    )


def _variable(name: str, key: str) -> str:
    word = re.sub(r"\W", "_", f"{name}_{key}", flags=re.ASCII).upper()
    return word if not word[0].isdigit() else f"_{word}"
