"""Which tables a query reads: names behind FROM, JOIN and IN, and those that dictGet and joinGet are given. Pure.

The tokenizer knows quotes and brackets, not the language. What it finds is for a picture; nothing is decided by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aaiclick.sql.tokens import TokenError, Tokens, identifier, split_top, unquote

_LOOKUP = re.compile(r"(?:dictGet|dictHas|dictIs|joinGet)", re.IGNORECASE)
_CLAUSES = (
    "SELECT|WHERE|PREWHERE|GROUP|ORDER|HAVING|LIMIT|UNION|EXCEPT|INTERSECT|SETTINGS|FORMAT|QUALIFY|WINDOW|OFFSET|ON|"
    "USING|JOIN|LEFT|RIGHT|INNER|FULL|CROSS|ANY|ALL|ASOF|SEMI|ANTI|GLOBAL|ARRAY|PASTE"
)
_NEXT = re.compile(rf"(?:{_CLAUSES})\Z", re.IGNORECASE)
"""What stands behind a list of tables."""
_NO_NAME = re.compile(rf"(?:{_CLAUSES}|FINAL|SAMPLE|AS)\Z", re.IGNORECASE)


def tables_read(query: str, database: str | None = None) -> tuple[str, ...]:
    """The tables that a query reads, each once, in the order in which they stand there. One of another database has
    that in front."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return ()
    own = _common(tokens)
    found = [_name(parts, database) for parts in _tables(tokens) if parts[0] not in own or len(parts) > 1]
    return tuple(dict.fromkeys(found))


def asked_for_values(expressions: Iterable[str], database: str | None = None) -> tuple[str, ...]:
    """Dictionaries and Join tables that expressions ask for a value."""
    found: list[str] = []
    for text in expressions:
        try:
            tokens = Tokens(text)
        except TokenError:
            continue
        for place in range(len(tokens) - 2):
            if not (tokens.is_kind(place, "word") and _LOOKUP.match(tokens.items[place].text)):
                continue
            if tokens.is_op(place + 1, "(") and tokens.is_kind(place + 2, "string"):
                found.append(_written(unquote(tokens.items[place + 2].text), database))
            elif tokens.is_op(place + 1, "("):
                parts, behind = identifier(tokens, place + 2)
                if parts and tokens.is_op(behind, ","):
                    found.append(_name(parts, database))
    return tuple(dict.fromkeys(found))


def _written(text: str, database: str | None) -> str:
    """A name within quotes: ``'db.name'``, or a name alone."""
    try:
        parts = [unquote(part) for part in split_top(text, ".")]
    except TokenError:
        return text
    return _name(tuple(parts), database) if len(parts) in (1, 2) else text


def _name(parts: tuple[str, ...], database: str | None) -> str:
    if len(parts) == 1 or parts[0] == database:
        return parts[-1]
    return ".".join(parts[:2])


def _common(tokens: Tokens) -> frozenset[str]:
    """Names of common table expressions: they are no tables."""
    found: set[str] = set()
    for place in range(len(tokens)):
        # WITH a AS (SELECT ...), b AS (SELECT ...)
        if tokens.is_kind(place, "word", "name") and tokens.is_word(place + 1, "AS") and tokens.is_op(place + 2, "("):
            inside = tokens.is_word(place + 3, "SELECT") or tokens.is_word(place + 3, "WITH")
            before = tokens.is_word(place - 1, "WITH") or tokens.is_word(place - 1, "RECURSIVE")
            if place > 0 and inside and (before or tokens.is_op(place - 1, ",")):
                found.add(unquote(tokens.items[place].text))
    return frozenset(found)


def _tables(tokens: Tokens) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for place in range(len(tokens)):
        if tokens.is_word(place, "FROM"):
            found += _listed(tokens, place + 1)
        elif tokens.is_word(place, "JOIN"):
            # ARRAY JOIN is over columns.
            found += [] if tokens.is_word(place - 1, "ARRAY") else _one(tokens, place + 1)
        elif tokens.is_word(place, "IN") and not tokens.is_op(place + 1, "("):
            found += _one(tokens, place + 1)
    return found


def _listed(tokens: Tokens, place: int) -> list[tuple[str, ...]]:
    """``FROM a AS x, b``."""
    found = _one(tokens, place)
    while place < len(tokens) and not tokens.is_kind(place, "close"):
        if tokens.is_kind(place, "word") and _NEXT.match(tokens.items[place].text):
            break
        if tokens.is_op(place, ","):
            found += _one(tokens, place + 1)
        place = tokens.after(place)
    return found


def _one(tokens: Tokens, place: int) -> list[tuple[str, ...]]:
    parts, behind = identifier(tokens, place)
    # What has a parenthesis behind it is a table function, or a keyword in front of a subquery.
    if not parts or len(parts) > 2 or tokens.is_op(behind, "("):
        return []
    word = tokens.items[place]
    return [parts] if word.kind == "name" or not _NO_NAME.match(word.text) else []
