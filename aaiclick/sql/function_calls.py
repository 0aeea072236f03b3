"""Calls in a statement: functions get other names, and what an expression looks up is found (the dictionaries of
``dictGet`` and the like, the Join tables of ``joinGet``, the Set tables behind ``IN``). Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aaiclick.sql.quoting import qualified, quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

_MAY = re.compile(r"dict|joinget|\bin\b", re.IGNORECASE)


def renamed_calls(sql: str, names: Mapping[str, str]) -> str:
    """The text with other names for the functions that it calls."""
    if not names:
        return sql
    try:
        items = Tokens(sql).items
    except TokenError:
        return sql
    pieces: list[str] = []
    position = 0
    # A name that no bracket follows is a column, whatever functions there are.
    for token, behind in itertools.pairwise(items):
        if (
            token.kind in ("word", "name")
            and behind.text == "("
            and (new := names.get(unquote(token.text))) is not None
        ):
            pieces += [sql[position : token.start], quote_name(new)]
            position = token.end
    return "".join([*pieces, sql[position:]])


def called_names(sql: str) -> frozenset[str]:
    """Names, in lower case, of whatever stands before a parenthesis: functions, types with arguments, keywords.

    Raises TokenError where the text cannot be taken apart.
    """
    return frozenset(
        unquote(token.text).lower()
        for token, behind in itertools.pairwise(Tokens(sql).items)
        if token.kind in ("word", "name") and behind.text == "("
    )


@dataclass(frozen=True, slots=True)
class Lookup:
    """A place in a text that names what is looked up."""

    start: int
    """Where the name begins, with its quotes and its database."""
    end: int
    """Where it ends."""
    database: str
    """The database that stands in front of the name; '' for none."""
    name: str
    """The name, unquoted."""
    quoted: bool
    """True where it stands in a string literal, false for an identifier."""
    asked: Literal["dictionary", "join", "set"]
    """What is asked."""
    attributes: frozenset[str] = frozenset()
    """The attributes, or columns, that are wanted of it, as far as they are written out."""


def lookups(sql: str) -> tuple[Lookup, ...]:
    """All such places, in their order; none in a text that cannot be taken apart."""
    if not _MAY.search(sql):
        return ()
    try:
        tokens = Tokens(sql)
    except TokenError:
        return ()
    return tuple(_found(tokens))


def _found(tokens: Tokens) -> Iterator[Lookup]:
    for place, token in enumerate(tokens.items):
        if token.kind != "word":
            continue
        word = token.text.lower()
        if word == "in":
            # ``k IN s`` and ``k IN (s)``: what a query or a list of values stands in is neither.
            bracket = tokens.is_op(place + 1, "(")
            parts, behind = identifier(tokens, place + 2 if bracket else place + 1)
            if parts and (not bracket or behind == tokens.match.get(place + 1)):
                yield _named(tokens, place + (2 if bracket else 1), behind, parts, "set")
        elif word.startswith(("dict", "joinget")) and tokens.is_op(place + 1, "("):
            yield from _called(tokens, place + 2, tokens.match[place + 1], "join" if word[0] == "j" else "dictionary")


def _called(tokens: Tokens, place: int, end: int, asked: Literal["dictionary", "join"]) -> Iterator[Lookup]:
    """The first argument of a call, and the attributes in the second one."""
    parts, behind = identifier(tokens, place)
    if parts and tokens.is_op(behind, ","):
        yield _named(tokens, place, behind, parts, asked, _attributes(tokens, behind + 1, end))
    elif tokens.is_kind(place, "string"):
        token = tokens.items[place]
        database, point, name = unquote(token.text).partition(".")
        wanted = _attributes(tokens, place + 2, end)
        if point:
            yield Lookup(token.start, token.end, database, name, True, asked, wanted)
        else:
            yield Lookup(token.start, token.end, "", database, True, asked, wanted)


def _named(
    tokens: Tokens,
    place: int,
    behind: int,
    parts: tuple[str, ...],
    asked: Literal["dictionary", "join", "set"],
    attributes: frozenset[str] = frozenset(),
) -> Lookup:
    start, end = tokens.items[place].start, tokens.items[behind - 1].end
    *before, name = parts
    return Lookup(start, end, before[0] if before else "", name, False, asked, attributes)


def _attributes(tokens: Tokens, place: int, end: int) -> frozenset[str]:
    """The strings of the second argument: one name, or several in brackets."""
    bracket = place if tokens.is_op(place, "(") else place + 1 if tokens.is_op(place + 1, "(") else -1
    last = tokens.match[bracket] if 0 <= bracket < end else min(place + 1, end)
    return frozenset(unquote(token.text) for token in tokens.items[place:last] if token.kind == "string")


def with_database(sql: str, database: str) -> str:
    """The text with the database in front of each Join table that has none. The server writes it in front of
    dictionaries and Set tables itself; a ``joinGet`` without one asks the database of whoever reads the column."""
    pieces: list[str] = []
    position = 0
    for place in lookups(sql):
        if place.asked != "join" or place.database:
            continue
        name = quote_string(f"{database}.{place.name}") if place.quoted else qualified(database, place.name)
        pieces += [sql[position : place.start], name]
        position = place.end
    return "".join([*pieces, sql[position:]])
