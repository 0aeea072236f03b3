"""Whether a value is still there after a conversion: what it is compared as, and what of a text may differ."""

from __future__ import annotations

from aaiclick.errors import SpecError
from aaiclick.specs.quoting import quote_string
from aaiclick.specs.type_text import TypeText, named, parse_type

_WHOLE = tuple(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128))
_NUMBERED = frozenset({*_WHOLE, "Bool", "Enum8", "Enum16", "DateTime"})
_BY_NUMBER = frozenset({*_NUMBERED, "UInt256", "Int256", "Float32", "Float64", "BFloat16", "Decimal"})
_ENUMS = frozenset({"Enum8", "Enum16"})
_UNTYPED = frozenset({"JSON", "Object", "Dynamic", "Variant", "Bool", "Enum8", "Enum16", "Array", "Map", "Tuple", "AggregateFunction"})


def compared_as(old: str, new: str) -> str:
    """The type in which a value is compared before and after it becomes ``new``: ``old``, with whole numbers as Int256.

    There and back again is not enough for them: 18446744073709551615 becomes -1 as an Int64, and that comes back as it was.
    """
    try:
        return _compared(parse_type(old), parse_type(new))
    except SpecError:
        return old


def _compared(old: TypeText, new: TypeText) -> str:
    old, nullable = _plain(old)
    new, _ = _plain(new)
    text = _inside(old, new)
    return f"Nullable({text})" if nullable else text


def _inside(old: TypeText, new: TypeText) -> str:
    if old.name in ("Array", "Map") and new.name == old.name and len(old.arguments) == len(new.arguments):
        return f"{old.name}({', '.join(_compared(parse_type(a), parse_type(b)) for a, b in zip(old.arguments, new.arguments, strict=True))})"
    if old.name == "Tuple" and new.name == "Tuple":
        return _tuple(old, new)
    if old.name in _ENUMS and new.name in _ENUMS:
        return "String"  # by number a label would silently become another
    if "UInt256" in (old.name, new.name) and {old.name, new.name} <= {*_WHOLE, "Int256", "UInt256"}:
        return "String"
    return "Int256" if old.name in _NUMBERED and new.name in _BY_NUMBER else _text(old)


def _tuple(old: TypeText, new: TypeText) -> str:
    """Elements are matched as the engine does: by name where both sides have names, else by place."""
    before, after = [named(item) for item in old.arguments], [named(item) for item in new.arguments]
    by_name = {name: text for name, text in after if name}
    if not by_name and len(before) != len(after):
        return _text(old)
    pieces: list[str] = []
    for place, (name, text) in enumerate(before):
        partner = by_name.get(name, text) if name and by_name else after[place][1] if place < len(after) else text
        label = old.arguments[place].removesuffix(text)
        pieces.append(f"{label}{_compared(parse_type(text), parse_type(partner))}")
    return f"Tuple({', '.join(pieces)})"


def _plain(found: TypeText) -> tuple[TypeText, bool]:
    nullable = False
    while found.name in ("Nullable", "LowCardinality") and len(found.arguments) == 1:
        nullable = nullable or found.name == "Nullable"
        found = found.inner
    if found.name == "SimpleAggregateFunction" and len(found.arguments) == 2:
        found, inside = _plain(parse_type(found.arguments[1]))
        nullable = nullable or inside
    return found, nullable


def _text(found: TypeText) -> str:
    return f"{found.name}({', '.join(found.arguments)})" if found.arguments else found.name


def text_differs(name: str, new: str) -> str:
    """A condition that is true for a text which ``new`` takes but does not give back: '1.239' as a Decimal(18, 2), '1950-01-01' as a
    Date (1970-01-01), '007' as a number. '' where texts and values cannot be compared. It is the value inside Nullable,
    LowCardinality and SimpleAggregateFunction that counts.

    Spelling that carries nothing may differ: zeros at the end of a fraction, the T between day and time, capital letters in a UUID or
    an address.
    """
    found, _ = _plain(parse_type(new))
    if found.name in _UNTYPED:
        return ""
    before, after = f"toString({name})", f"toString(accurateCastOrNull(toString({name}), {quote_string(_text(found))}))"
    match found.name:
        case "FixedString" | "Date" | "Date32":
            pass
        case "UUID" | "IPv4" | "IPv6":
            before = f"lower({before})"
        case "DateTime" | "DateTime64":
            before, after = _no_zeros(f"replaceOne({before}, 'T', ' ')"), _no_zeros(after)
        case _:
            before, after = _no_zeros(before), _no_zeros(after)
    return f"{before} != {after}"


def _no_zeros(text: str) -> str:
    """Without the zeros at the end of a fraction."""
    return rf"replaceRegexpOne(replaceRegexpOne({text}, '\\.0*$', ''), '(\\.\\d*?)0+$', '\\1')"
