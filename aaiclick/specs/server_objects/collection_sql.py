"""Reads CREATE NAMED COLLECTION. Its text goes to no engine: it holds secrets, and its grammar is small."""

from __future__ import annotations

from aaiclick.specs.server_objects.collections import NOT_OVERRIDABLE, OVERRIDABLE, NamedCollection
from aaiclick.sql.cursor import ClauseError, Cursor
from aaiclick.sql.tokens import unquote

_BOOLEANS = {"true": True, "false": False}


def read_collection(cursor: Cursor) -> NamedCollection:
    """The declaration; the cursor stands behind NAMED COLLECTION. Raises ``ClauseError``, whose words hold no value,
    with the cursor where something else was expected, and ``SpecError`` for a wrong declaration."""
    cursor.accept("IF", "NOT", "EXISTS")
    name = cursor.name()
    if cursor.at("ON", "CLUSTER"):
        raise ClauseError("ON CLUSTER is said once for all objects: Schema(cluster=...)")
    if not cursor.accept("AS"):
        raise ClauseError("AS was expected behind the name")
    keys: dict[str, str | int | float | bool | None] = {}
    flags: dict[str, list[str]] = {OVERRIDABLE: [], NOT_OVERRIDABLE: []}
    more = True
    while more:
        if not cursor.tokens.is_kind(cursor.position, "word", "name"):
            raise ClauseError("the name of a key was expected")
        key = cursor.name()
        while cursor.accept_op("."):  # kafka.security_protocol, which the server shows without quotes
            key += f".{cursor.name()}"
        if key in keys:
            raise ClauseError(f"key {key} is there twice")
        if not cursor.accept_op("="):
            raise ClauseError(f"= was expected behind {key}")
        keys[key] = _value(cursor, key)
        flag = NOT_OVERRIDABLE if cursor.accept("NOT", "OVERRIDABLE") else ""
        flag = flag or (OVERRIDABLE if cursor.accept("OVERRIDABLE") else "")
        if flag:
            flags[flag].append(key)
        more = cursor.accept_op(",")
        if not more and not cursor.done:
            raise ClauseError(f"a comma, OVERRIDABLE or NOT OVERRIDABLE was expected behind the value of {key}")
    return NamedCollection(name, keys, overridable=flags[OVERRIDABLE], not_overridable=flags[NOT_OVERRIDABLE])


def _value(cursor: Cursor, key: str) -> str | int | float | bool:
    begin = cursor.position
    if cursor.at_string():
        return cursor.string()
    sign = -1 if cursor.accept_op("-") else 1
    tokens = cursor.tokens
    if tokens.is_kind(cursor.position, "number"):
        text = tokens.items[cursor.position].text
        cursor.position += 1
        for kind in (int, float):
            try:
                return sign * kind(text)
            except ValueError:
                continue
    elif begin == cursor.position and tokens.is_kind(begin, "word"):
        known = _BOOLEANS.get(unquote(tokens.items[begin].text).lower())
        if known is not None:
            cursor.position += 1
            return known
    cursor.position = begin
    raise ClauseError(f"a text, a number, true or false was expected as the value of {key}")
