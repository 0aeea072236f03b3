"""Takes ClickHouse's type texts apart, far enough to say what a value of them is in Python or Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from aaiclick.errors import SpecError
from aaiclick.sql.quoting import QUOTES, punctuation
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_WRAPPERS = ("Nullable", "LowCardinality")
DECIMALS = {"Decimal32": 9, "Decimal64": 18, "Decimal128": 38, "Decimal256": 76}
"""Digits of the Decimals that have their size in their name."""


@dataclass(frozen=True, slots=True)
class TypeText:
    """``name`` of the type, and its arguments as text: ``Map(String, UInt8)`` is Map with ``String`` and ``UInt8``."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def inner(self) -> TypeText:
        """The type of the only argument."""
        return parse_type(self.arguments[0])


def parse_type(text: str) -> TypeText:
    """Cut a type text. Raises ``SpecError`` where its brackets do not match."""
    stripped = text.strip()
    name, bracket, rest = stripped.partition("(")
    if not bracket:
        return TypeText(name)
    if not rest.endswith(")"):
        raise SpecError(f"type {text}", "its brackets do not match")
    return TypeText(name.strip(), split_arguments(rest[:-1]))


def split_arguments(text: str) -> tuple[str, ...]:
    """The pieces between commas that stand outside of brackets and quotes."""
    pieces: list[str] = []
    depth = start = 0
    for position, character in punctuation(text):
        if character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and not depth:
            pieces.append(text[start:position].strip())
            start = position + 1
        if depth < 0 or character in QUOTES:
            raise SpecError(f"type {text}", "its brackets do not match")
    if depth:
        raise SpecError(f"type {text}", "its brackets do not match")
    last = text[start:].strip()
    return (*pieces, last) if last or pieces else ()


def unwrapped(text: str) -> tuple[TypeText, bool]:
    """The type without Nullable and LowCardinality, and whether it holds NULL."""
    found, nullable = parse_type(text), False
    while found.name in _WRAPPERS and len(found.arguments) == 1:
        nullable = nullable or found.name == "Nullable"
        found = found.inner
    if found.name == "SimpleAggregateFunction" and len(found.arguments) > 1:
        # Its values are plain values of its argument.
        inner, holds_null = unwrapped(found.arguments[1])
        return inner, nullable or holds_null
    return found, nullable


def element_name(argument: str) -> tuple[str, str]:
    """(name, type) of an element of a Tuple or Nested; the name is '' where it has none."""
    if argument.startswith(("`", '"')):
        # The quote may be a part of the name.
        first = Tokens(argument).items[0]
        return unquote(first.text), argument[first.end :].strip()
    name, space, rest = argument.partition(" ")
    return (name, rest.strip()) if space and "(" not in name and rest else ("", argument)


def decimal_digits(found: TypeText) -> tuple[int, int]:
    """All digits of a Decimal, and those behind the point."""
    numbers = [int(each) for each in found.arguments]
    # What is declared as Decimal32(2), the server shows as Decimal(9, 2).
    if found.name in DECIMALS:
        return DECIMALS[found.name], numbers[0] if numbers else 0
    # Decimal alone is Decimal(10, 0).
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (10, 0)


def as_defined(type_text: str) -> str:
    """A type as a CREATE has it. DESCRIBE puts each element of a Tuple that has names on a line of its own, and writes
    ``max_types=2`` closer."""
    try:
        items = Tokens(type_text).items
    except TokenError:
        return type_text
    pieces = [items[0].text] if items else []
    for before, token in pairwise(items):
        apart = type_text[before.end : token.start] != "" and before.kind != "open" and token.kind != "close"
        pieces.append(f" {token.text}" if apart or "=" in (before.text, token.text) else token.text)
    return "".join(pieces)


def nullable_type(type_text: str) -> str:
    """The type with room for NULL; composite types, which hold none, as they are."""
    found = parse_type(type_text)
    if found.name in (
        "Nullable",
        "Array",
        "Map",
        "Tuple",
        "Nested",
        "JSON",
        "Variant",
        "Dynamic",
        "Geometry",
        "AggregateFunction",
    ):
        return type_text
    # The engine takes Nullable inside of LowCardinality, never around it.
    if found.name == "LowCardinality":
        return f"LowCardinality({nullable_type(found.arguments[0])})"
    return f"Nullable({type_text})"
