"""Named collections of the server: their keys, never their values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import cast

from aaiclick.catalog.fingerprint import text_digest
from aaiclick.catalog.forms import CollectionForm, CollectionKey
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import SpecError, StatementError
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.server_objects.collection_sql import read_collection
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.sql.cluster import head_of
from aaiclick.sql.cursor import ClauseError, Cursor
from aaiclick.sql.hex_text import hexed_list
from aaiclick.sql.tokens import TokenError, Tokens

# Whoever may see values gets them in both columns: they are taken away before they are sent. Older releases have
# neither ``source`` nor ``create_query``.
_LIVE = (
    "SELECT name, toJSONString(arraySort(mapKeys(collection))), COLUMNS('^(source|create_query)$') "
    r"APPLY(x -> replaceRegexpAll(x, '\'([^\'\\\\]|\\\\.)*\'', '\'\'')) FROM system.named_collections "
    "WHERE has(arrayMap(x -> unhex(x), splitByChar(',', {names:String})), name) ORDER BY name"
)


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """A named collection as the server shows it."""

    form: CollectionForm
    """Its keys. Where the release does not show which are overridable, nothing is said of that."""
    configured: bool = False
    """True where it stands in the server's configuration: no statement changes it."""
    shows_flags: bool = False
    """True where the server shows which keys are overridable."""

    def differs(self, key: str, flag: str) -> bool:
        """Whether it has this key with another flag than the declared one; '' is any."""
        there = {each.name: each.overridable for each in self.form.collection_keys}
        return key in there and self.shows_flags and bool(flag) and flag != there[key]

    def fits(self, pairs: Iterable[tuple[str, str]]) -> bool:
        """Whether all of these keys are there, each with its flag. Nobody shows values, so they count for nothing."""
        there = {each.name for each in self.form.collection_keys}
        return all(key in there and not self.differs(key, flag) for key, flag in pairs)


def declared_collection(item: NamedCollection) -> CollectionForm:
    """What is declared, without values."""
    return CollectionForm(item.name, tuple(CollectionKey(key, item.flag(key)) for key in sorted(item.keys)))


def read_collections(names: Iterable[str]) -> Routine[dict[str, LiveCollection]]:
    """The live collections among these names, as far as this user may see them."""
    try:
        # In hexadecimal digits: a comma in a name would divide it.
        rows = yield Query(_LIVE, {"names": hexed_list(names)})
    except StatementError as error:
        if error.code == ACCESS_DENIED:
            return {}
        raise
    return {text(row[0]): _live(text(row[0]), text(row[1]), [text(cell) for cell in row[2:]]) for row in rows}


def _live(name: str, keys: str, more: list[str]) -> LiveCollection:
    shown = next((cell for cell in more if head_of(cell) is not None), "")
    flags = _flags(shown)
    listed = tuple(
        CollectionKey(key, (flags or {}).get(key, "")) for key in sorted(cast("list[str]", json.loads(keys)))
    )
    configured = any(cell.upper() == "CONFIG" for cell in more)
    return LiveCollection(CollectionForm(name, listed), configured, flags is not None)


def _flags(shown: str) -> dict[str, str] | None:
    """What the statement says of each key; None where there is none, or it cannot be read."""
    if not shown:
        return None
    try:
        cursor = Cursor(Tokens(shown))
        cursor.accept("CREATE", "NAMED", "COLLECTION")
        found = read_collection(cursor)
    except (ClauseError, SpecError, TokenError):
        return None
    return {key: found.flag(key) for key in found.keys}


def collection_stamp(names: Collection[str]) -> Routine[str]:
    """A digest of the live collections of these names, without their values; '' for none."""
    if not names:
        return ""
    found = yield from read_collections(names)
    return text_digest({name: json.dumps(_plain(live)) for name, live in found.items()})


def _plain(live: LiveCollection) -> list[list[str]]:
    return [[key.name, key.overridable] for key in live.form.collection_keys]
