"""Keys that stay in a policy when what they allow has been done: whether there is anything left for them to do.

A start that has nothing to do finds out by its first question. Keys that only say how something required is done, and
those that name nothing, do not count here: nothing is required, and whoever plans is told of the others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from aaiclick.catalog.server_objects.collections import read_collections
from aaiclick.diff.hazards import OPTIONAL
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema

_OF_A_COLLECTION = frozenset({"drop-collection", "drop-collection-key", "set-values"})


def optional_keys(keys: Collection[str]) -> frozenset[str]:
    """Those that allow an optional step."""
    return frozenset(key for key in keys if key.partition(" ")[0] in OPTIONAL)


def named_in(keys: Collection[str]) -> frozenset[str]:
    """What may be the name of a table, view or dictionary in these keys: names may have dots in them."""
    return frozenset(
        name
        for word, what in map(_split, optional_keys(keys))
        if word not in _OF_A_COLLECTION
        for name in _beginnings(what)
    )


def something_left(schema: Schema, keys: Collection[str], texts: Mapping[str, str]) -> bool:
    """Whether a key may have something to do. ``texts``: the definitions of what is there of ``named_in``."""
    declared = {item.name for item in schema.objects}
    return any(_left(*_split(key), texts, declared) for key in optional_keys(keys))


def collection_left(schema: Schema, keys: Collection[str]) -> Routine[bool]:
    """The same of keys about named collections, which no list of tables shows. Those that are declared are always
    looked at: no digest holds their values."""
    declared = {item.name for item in schema.named_collections}
    about = [(word, what) for word, what in map(_split, keys) if word in _OF_A_COLLECTION]
    for word, what in about:
        if word != "drop-collection" and declared & set(_beginnings(what)):
            return True
    dropped = {what for word, what in about if word == "drop-collection"} - declared
    return bool(dropped) and bool((yield from read_collections(dropped)))


def _left(word: str, what: str, texts: Mapping[str, str], declared: Collection[str]) -> bool:
    if word in _OF_A_COLLECTION:
        return False
    if word.startswith("drop-") and word != "drop-column":
        return what in texts and what not in declared
    for name in _beginnings(what):
        part = what[len(name) + 1 :]
        if part and name in texts and _mentions(texts[name], part):
            return True
    return False


def _mentions(definition: str, part: str) -> bool:
    # A name of other characters may stand there with escapes: for such a one the plan looks. The server writes columns
    # in backticks, names of indexes and projections without.
    name = re.escape(part)
    return (
        not re.fullmatch(r"[\w.]+", part, re.ASCII)
        or re.search(rf"`{name}[`.]|(?:INDEX|PROJECTION) {name}(?!\w)", definition) is not None
    )


def _split(key: str) -> tuple[str, str]:
    word, _, what = key.partition(" ")
    return word, what


def _beginnings(what: str) -> list[str]:
    parts = what.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
