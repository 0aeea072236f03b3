"""What two types have in common in their bytes on disk. Pure.

An ALTER that starts no mutation leaves the bytes of a column, and reads them as the new type.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from aaiclick.errors import SpecError
from aaiclick.sql.types import TypeText, element_name, parse_type

_MEMBER = re.compile(r"('(?:[^'\\]|\\.)*')\s*=\s*(-?\d+)", re.DOTALL)
_BY_NUMBER = {"Enum8": "Int8", "Enum16": "Int16", "Bool": "UInt8", "DateTime": "UInt32", "Date": "UInt16"}
"""Types that are another type's number on disk, and stand in its order."""


def same_kind(old: str, new: str) -> bool:
    """True for the same type, but for time zones and Enum labels."""
    return old == new or _shape(old, _erased) == _shape(new, _erased)


def same_order(old: str, new: str) -> bool:
    """True where equal bytes are the same number or text, and sort alike: Enum8 and Int8, DateTime and UInt32."""
    return old == new or _shape(old, _ordered) == _shape(new, _ordered)


def keeps_labels(old: str, new: str) -> bool:
    """True where the types have the same structure, and each Enum label in ``old`` has the same number in ``new``."""
    if old == new:
        return True
    try:
        return _keeps(parse_type(old), parse_type(new))
    except SpecError:
        return False


def extends(old: str, new: str) -> bool:
    """True where Enums only get new labels: what reads a stored value gets the same."""
    return old == new or (_shape(old, _unlabelled) == _shape(new, _unlabelled) and keeps_labels(old, new))


def keeps_bytes(old: str, new: str) -> bool:
    """True where the bytes of any value of ``old``, read as ``new``, are its conversion."""
    if same_kind(old, new):
        return keeps_labels(old, new)
    # Into the number behind it goes every value; back only where every number is a value (see _clocks).
    return _shape(old, _ordered) == _shape(new, _erased) or _shape(old, _erased) == _shape(new, _clocks)


def _shape(text: str, leaf: Callable[[TypeText], str]) -> str:
    try:
        return _shaped(parse_type(text), leaf)
    except SpecError:
        return text


def _shaped(found: TypeText, leaf: Callable[[TypeText], str]) -> str:
    if found.name in ("Array", "Map", "Nullable", "LowCardinality", "Variant"):
        return f"{found.name}({', '.join(_shaped(parse_type(each), leaf) for each in found.arguments)})"
    if found.name in ("Tuple", "Nested"):
        pairs = [element_name(each) for each in found.arguments]
        return f"{found.name}({', '.join(f'{name} {_shaped(parse_type(kind), leaf)}'.strip() for name, kind in pairs)})"
    if found.name == "SimpleAggregateFunction" and len(found.arguments) == 2:
        # The function stays in the shape: another one would combine the same bytes in another way.
        return f"{found.name}({found.arguments[0]}, {_shaped(parse_type(found.arguments[1]), leaf)})"
    return leaf(found)


def _text(found: TypeText) -> str:
    return f"{found.name}({', '.join(found.arguments)})" if found.arguments else found.name


def _erased(found: TypeText) -> str:
    if found.name in ("Enum8", "Enum16", "DateTime"):
        return found.name
    return f"DateTime64({found.arguments[0]})" if found.name == "DateTime64" and found.arguments else _text(found)


def _unlabelled(found: TypeText) -> str:
    return found.name if found.name in ("Enum8", "Enum16") else _text(found)


def _ordered(found: TypeText) -> str:
    if found.name == "Decimal" and len(found.arguments) == 2:
        # The digits are a limit for what is written; the width on disk goes by them in four steps.
        digits = int(found.arguments[0])
        return f"Decimal{next((size for size in (9, 18, 38) if digits <= size), 76)}({found.arguments[1]})"
    return _BY_NUMBER.get(found.name) or _erased(found)


def _clocks(found: TypeText) -> str:
    """The number behind a date or time, in which every number is a value. A UInt8 need not be a Bool, and an Int8 need
    not be an Enum's."""
    return _ordered(found) if found.name in ("DateTime", "Date") else _erased(found)


def _keeps(old: TypeText, new: TypeText) -> bool:
    if old.name in ("Enum8", "Enum16") or new.name in ("Enum8", "Enum16"):
        # A part stores numbers. A label with another number would read as another label, with no mutation that says so.
        before, after = (dict(_MEMBER.findall(", ".join(each.arguments))) for each in (old, new))
        return old.name == new.name and all(after.get(label) == number for label, number in before.items())
    if len(old.arguments) != len(new.arguments):
        return old.name == new.name and old.name in ("DateTime", "DateTime64")
    inside = [
        (element_name(one)[1], element_name(other)[1]) for one, other in zip(old.arguments, new.arguments, strict=True)
    ]
    return old.name == new.name and all(one == other or _keeps_inside(one, other) for one, other in inside)


def _keeps_inside(old: str, new: str) -> bool:
    if old.startswith("'") or new.startswith("'"):
        return True  # the zone of a DateTime
    return _keeps(parse_type(old), parse_type(new))
