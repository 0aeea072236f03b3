"""Columns written without a type, or with NULL, NOT NULL or COLLATE: the engine says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.sql.ddl import CREATE_TABLE
from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import Tokens, unquote

_CLAUSES = ("DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL", "CODEC", "COMMENT", "TTL", "STATISTICS", "SETTINGS")


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A formatted CREATE TABLE with such columns."""

    names: tuple[str, ...]
    """Names of these columns."""
    columns: str
    """All columns, as they stand in the text."""
    places: tuple[tuple[int, int], ...]
    """For each of ``names`` where it begins, name included, and where the clauses behind the type begin."""


def shorthands(formatted: str) -> Shorthand | None:
    """Such columns of a formatted CREATE TABLE; None where each has its type."""
    if not formatted.startswith(CREATE_TABLE):
        return None
    tokens = Tokens(formatted)
    opening = next((place for place in range(len(tokens)) if tokens.is_op(place, "(")), None)
    if opening is None:
        return None
    names, places, columns = list[str](), list[tuple[int, int]](), list[str]()
    for first, end in tokens.split(opening + 1, tokens.match[opening]):
        if not tokens.is_kind(first, "name"):
            continue
        columns.append(tokens.slice(first, end))
        behind = _behind_type(tokens, first + 1, end)
        if behind is not None:
            names.append(unquote(tokens.items[first].text))
            places.append((tokens.items[first].start, tokens.items[behind - 1].end))
    return Shorthand(tuple(names), ", ".join(columns), tuple(places)) if names else None


def spelled_out(formatted: str, short: Shorthand, types: Mapping[str, str]) -> str:
    """The text with the types written."""
    pieces, position = list[str](), 0
    for name, (start, end) in zip(short.names, short.places, strict=True):
        pieces += [formatted[position:start], f"{quote_name(name)} {types[name]}"]
        position = end
    return "".join([*pieces, formatted[position:]])


def _behind_type(tokens: Tokens, position: int, end: int) -> int | None:
    """Behind the type and what belongs to it; None where there is a plain type."""
    if position >= end or any(tokens.is_word(position, word) for word in _CLAUSES):
        return position
    behind = position = tokens.after(position)
    if tokens.is_op(position, "("):
        behind = position = tokens.after(position)
    while position < end:
        if tokens.is_word(position, "NOT", "NULL") or tokens.is_word(position, "COLLATE"):
            position += 2
        elif tokens.is_word(position, "NULL"):
            position += 1
        else:
            break
    return position if position > behind else None
