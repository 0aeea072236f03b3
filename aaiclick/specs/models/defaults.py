"""Defaults of a model's fields as SQL. A column gets exactly the value that Python has, or the declaration is an
error."""

from __future__ import annotations

import enum
import ipaddress
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from aaiclick.errors import SpecError
from aaiclick.specs.models.scalars import UUID, NoLiteralError, scalar_sql
from aaiclick.sql.quoting import is_utf8, quote_string
from aaiclick.sql.types import TypeText, element_name, unwrapped

_TEXTS = frozenset({"String", "FixedString", "Enum8", "Enum16", "UUID", "IPv4", "IPv6"})
"""Types whose values are texts in SQL, of which an array can be made as they stand."""
_NATURAL: tuple[tuple[type, tuple[str, ...]], ...] = (
    (bool, ("Bool",)),
    (int, ("Int", "UInt")),
    (float, ("Float", "BFloat")),
    (Decimal, ("Decimal",)),
    (str, ("String", "FixedString")),
    (bytes, ("String", "FixedString")),
    (datetime, ("DateTime",)),
    (date, ("Date",)),
    (time, ("Time",)),
    (timedelta, ("Interval",)),
    (UUID, ("UUID",)),
    (ipaddress.IPv4Address, ("IPv",)),
    (ipaddress.IPv6Address, ("IPv",)),
    (BaseModel, ("Tuple", "JSON")),
    (tuple, ("Tuple", "Array")),
    (list, ("Array",)),
    (set, ("Array",)),
    (frozenset, ("Array",)),
    (dict, ("Map", "JSON")),
)
"""For classes of Python, how the types of ClickHouse begin that a value of them has in a Variant."""


def default_sql(value: object, type_text: str, where: str) -> str | None:
    """The default as SQL; None for one that the type has by itself: NULL, and what is empty. Raises ``SpecError`` for a
    value that a column of that type does not hold."""
    empty = value in ([], (), set(), frozenset(), {})
    if value is None or (empty and unwrapped(type_text)[0].name in ("Array", "Map", "JSON")):
        return None
    try:
        return _sql(value, type_text)
    except NoLiteralError as error:
        try:
            text = repr(value)
        except ValueError:  # a whole number of thousands of digits
            text = "the value"
        said = f"{text if len(text) < 80 else f'{text[:76]} ...'} cannot be its default: {type_text} {error}"
        raise SpecError(where, f"{said}. A default that only Python has to know is a default_factory") from None
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise SpecError(where, f"{type_text} is no type for which its default can be written") from None


def holds_nothing(type_text: str) -> bool:
    """True for a type that holds NULL, or something empty in its place."""
    found, nullable = unwrapped(type_text)
    return nullable or found.name in ("Array", "Map", "Tuple", "Nested", "JSON", "Variant", "Dynamic")


def _sql(value: object, type_text: str) -> str:
    found, nullable = unwrapped(type_text)
    if value is None:
        if nullable or found.name in ("Variant", "Dynamic"):
            return "NULL"
        raise NoLiteralError("holds no NULL")
    match found.name:
        case "Array":
            return _array(value, found.arguments[0])
        case "Map":
            return _map(value, *found.arguments)
        case "Tuple":
            return _tuple(value, [element_name(argument) for argument in found.arguments])
        case "Variant":
            return _variant(value, found.arguments)
        case "JSON":
            return _json(value)
        case _:
            return scalar_sql(value, found)


def _array(value: object, kind: str) -> str:
    if not isinstance(value, list | tuple | set | frozenset):
        raise NoLiteralError("holds lists")
    elements = [_element(each, kind) for each in cast("Iterable[object]", value)]
    # Sets of texts have another order in each process.
    ordered = sorted(elements) if isinstance(value, set | frozenset) else elements
    return f"[{', '.join(ordered)}]"


def _map(value: object, key: str, kind: str) -> str:
    if not isinstance(value, Mapping):
        raise NoLiteralError("holds keys with their values")
    pairs = cast("Mapping[object, object]", value).items()
    return f"map({', '.join(f'{_element(one, key)}, {_element(other, kind)}' for one, other in pairs)})"


def _tuple(value: object, elements: list[tuple[str, str]]) -> str:
    names = [name for name, _ in elements]
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        by_name = cast("Mapping[object, object]", value)
        if set(by_name) != set(names) or len(by_name) != len(elements):
            raise NoLiteralError("has other elements")
        value = tuple(by_name[name] for name in names)
    if not isinstance(value, tuple) or len(cast("tuple[object, ...]", value)) != len(elements) or not elements:
        raise NoLiteralError("has other elements")
    parts = [_element(part, kind) for part, (_, kind) in zip(cast("tuple[object, ...]", value), elements, strict=True)]
    return f"({', '.join(parts)})" if len(parts) > 1 else f"tuple({parts[0]})"


def _variant(value: object, members: tuple[str, ...]) -> str:
    """With the type that the value has in it: the server converts to no member of a Variant by itself."""
    plain = cast("object", value.value) if isinstance(value, enum.Enum) else value
    begins = next((begins for kind, begins in _NATURAL if isinstance(plain, kind)), ())
    fitting: dict[str, str] = {}
    for member in members:
        name = unwrapped(member)[0].name
        natural = _begins(name, begins) or (isinstance(value, enum.Enum) and name in ("Enum8", "Enum16"))
        try:
            if natural:
                fitting[member] = _sql(value, member)
        except NoLiteralError:
            continue
    if len(fitting) != 1:
        raise NoLiteralError("has no type for it" if not fitting else "has several types for it")
    return next(f"CAST({text}, {quote_string(member)})" for member, text in fitting.items())


def _begins(name: str, begins: tuple[str, ...]) -> bool:
    """``Date32`` begins so with ``Date``, and ``DateTime64`` does not."""
    found = next((begin for begin in begins if name.startswith(begin)), None)
    return found is not None and (found == "Interval" or not name.removeprefix(found).strip("0123456789"))


def _json(value: object) -> str:
    try:
        text = json.dumps(to_jsonable_python(value), allow_nan=False, sort_keys=True)
    except (ValueError, PydanticSerializationError):
        raise NoLiteralError("holds what JSON can say") from None
    if not text.startswith("{") or not is_utf8(text):
        raise NoLiteralError("holds objects")
    return quote_string(text)


def _element(value: object, kind: str) -> str:
    """The value inside of another: with its type where the engine would find one of its own, which may be another for
    its neighbour."""
    text = _sql(value, kind)
    found = unwrapped(kind)[0]
    plain = (
        value is None
        or found.name == "Bool"
        or (found.name in _TEXTS and text[0] in "'u")
        or (isinstance(value, float) and found.name.startswith("Float"))
        or (isinstance(value, int) and _small(text, found))
    )
    return text if plain else f"CAST({text}, {quote_string(kind)})"


def _small(text: str, found: TypeText) -> bool:
    return found.name.lstrip("U").startswith("Int") and len(text) < 10
