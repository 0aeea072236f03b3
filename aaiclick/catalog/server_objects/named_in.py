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
    of each value stands an environment variable, each with one of its own. One of the server's configuration is the
    configuration's. One that is called like an object of the schema is among what cannot be declared."""
    names = [name for name in _named(schema) if not any(fnmatchcase(name, pattern) for pattern in exclude)]
    if not names:
        return schema
    live = yield from read_collections(names)
    declared = {item.name for item in schema.objects}
    found: list[NamedCollection] = []
    unsupported = dict(schema.unsupported)
    taken: set[str] = set()
    for each in live.values():
        if each.form.name in declared and not each.configured:
            unsupported[f"named collection {each.form.name}"] = (
                "another object here is called so, and a schema declares each name once: declare it in a schema of its "
                "own"
            )
        elif not each.configured:
            found.append(_declared(each, taken))
    return schema.model_copy(update={"objects": [*found, *schema.objects], "unsupported": unsupported})


def _named(schema: Schema) -> list[str]:
    """Whatever stands where a collection may be named."""
    # A bare word there may be a table or a function as well: the server is asked which of them are collections.
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


def _declared(live: LiveCollection, taken: set[str]) -> NamedCollection:
    name, flags = live.form.name, {key.name: key.overridable for key in live.form.collection_keys}
    return NamedCollection(
        name,
        {key: f"${{{_variable(name, key, taken)}}}" for key in flags},
        overridable=[key for key, flag in flags.items() if flag == OVERRIDABLE],
        not_overridable=[key for key, flag in flags.items() if flag == NOT_OVERRIDABLE],
    )


def _variable(name: str, key: str, taken: set[str]) -> str:
    """The keys ``a b`` and ``A_B`` of one collection, or of two, must not get the value of each other: who comes later
    has a number behind the name. ``taken``: the names that are given."""
    plain = re.sub(r"\W", "_", f"{name}_{key}", flags=re.ASCII).upper()
    word = plain = plain if not plain[0].isdigit() else f"_{plain}"
    number = 1
    while word in taken:
        number += 1
        word = f"{plain}_{number}"
    taken.add(word)
    return word
