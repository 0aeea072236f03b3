"""Two composite types side by side: which element of the old one becomes which element of the new one, as the engine's
CAST does it."""

from __future__ import annotations

from dataclasses import dataclass

from aaiclick.sql.types import TypeText, element_name, parse_type
from aaiclick.sql.types import unwrapped as _unwrapped

_POINT = "Tuple(Float64, Float64)"
_RING = f"Array({_POINT})"
_POLYGON = f"Array({_RING})"
# What the engine calls types that are made of others.
_NAMED_SHAPES = {
    "Point": _POINT,
    "Ring": _RING,
    "LineString": _RING,
    "Polygon": _POLYGON,
    "MultiLineString": _POLYGON,
    "MultiPolygon": f"Array({_POLYGON})",
}


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a Tuple: its position in the old type, from 1 (0: only the new type has it), and both types (''
    where one lacks it)."""

    place: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Arrays:
    """An Array that becomes an Array; ``old`` and ``new`` are the types of their items."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Maps:
    """A Map that becomes a Map."""

    old_key: str
    new_key: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Tuples:
    """A Tuple that becomes a Tuple. Elements are in the order of the new type; those that only the old one has come
    last."""

    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Variants:
    """A Variant whose members change: each old member, and the new one that its values become, '' where it has none. It
    is none where the new type only has more members: that the engine converts by itself."""

    members: tuple[tuple[str, str], ...]


Shape = Arrays | Maps | Tuples | Variants
"""How two composite types correspond."""


def inner_type(type_text: str) -> tuple[TypeText, bool]:
    """The type inside Nullable, LowCardinality and SimpleAggregateFunction, and whether it can be NULL. Names such as
    Point and Nested are spelled out."""
    found, nullable = _unwrapped(type_text)
    if found.name in _NAMED_SHAPES and not found.arguments:
        return parse_type(_NAMED_SHAPES[found.name]), nullable
    if found.name == "Nested":
        return TypeText("Array", (f"Tuple({', '.join(found.arguments)})",)), nullable
    return found, nullable


def text_of(found: TypeText) -> str:
    """The type's text again."""
    return f"{found.name}({', '.join(found.arguments)})" if found.arguments else found.name


def shape(old: TypeText, new: TypeText) -> Shape | None:
    """How two types correspond part by part; None where they do not, because one is plain or they are of different
    kinds."""
    if old.name != new.name:
        return None
    match old.name:
        case "Array":
            return Arrays(old.arguments[0], new.arguments[0])
        case "Map":
            return Maps(old.arguments[0], new.arguments[0], old.arguments[1], new.arguments[1])
        case "Tuple":
            return _tuples(old, new)
        case "Variant":
            paired = _members(old, new)
            return Variants(paired) if paired else None
        case _:
            return None


def _tuples(old: TypeText, new: TypeText) -> Tuples | None:
    """Elements correspond by name where both types have a name in common, else by position."""
    before, after = [element_name(item) for item in old.arguments], [element_name(item) for item in new.arguments]
    common = {name for name, _ in before if name} & {name for name, _ in after if name}
    if not common or not all(name for name, _ in (*before, *after)):
        if len(before) != len(after):
            return None
        return Tuples(
            tuple(
                Element(place, a, b) for place, ((_, a), (_, b)) in enumerate(zip(before, after, strict=True), start=1)
            )
        )
    places = {name: (place, text) for place, (name, text) in enumerate(before, start=1)}
    found = [Element(*places.pop(name, (0, "")), text) for name, text in after]
    return Tuples((*found, *(Element(place, text, "") for place, text in places.values())))


_NUMBERS = ("Int", "UInt", "Float", "BFloat", "Decimal")
_TIMES = ("Date", "Time")
_TEXTS = ("String", "FixedString")


def _members(old: TypeText, new: TypeText) -> tuple[tuple[str, str], ...]:
    """Each member of a Variant, and the one that it becomes: the same, else the only one of its kind that is left, else
    the only one at all that is left; '' where nothing says which. None where all of them stay."""
    gone = [member for member in old.arguments if member not in new.arguments]
    come = [member for member in new.arguments if member not in old.arguments]
    if not gone:
        return ()
    found: dict[str, str] = {}
    for member in gone:
        alike = [other for other in come if _kind(other) == _kind(member)]
        if len(alike) == 1 and sum(_kind(other) == _kind(member) for other in gone) == 1:
            found[member] = alike[0]
    left = [member for member in gone if member not in found]
    free = [member for member in come if member not in found.values()]
    if len(left) == len(free) == 1:
        found[left[0]] = free[0]
    return tuple((member, found.get(member, "" if member in gone else member)) for member in old.arguments)


def _kind(member: str) -> str:
    name = inner_type(member)[0].name
    for kind in (_NUMBERS, _TIMES, _TEXTS, ("Enum",)):
        if name.startswith(kind):
            return kind[0]
    return name
