"""Whether a conversion between two types keeps every value, so that an INSERT or a view that converts changes
nothing."""

from __future__ import annotations

import re

from aaiclick.diff.conversion.labels import enum_labels
from aaiclick.errors import SpecError
from aaiclick.sql.tokens import TokenError, Tokens, split_top, unquote
from aaiclick.sql.types import TypeText, decimal_digits, parse_type, unwrapped

_WHOLE = re.compile(r"(U?)Int(8|16|32|64|128|256)\Z")
# Bits of the mantissa: up to there every whole number is exact.
_MANTISSA = {"BFloat16": 8, "Float32": 24, "Float64": 53}
# Not FixedString: the server cuts zero bytes at the end of its values.
_AS_TEXT = frozenset(
    {"String", "UUID", "IPv4", "IPv6", "Bool", "Date", "Date32", "Enum8", "Enum16", "Float32", "Float64"}
)


def fits(old: str, new: str) -> bool:
    """True where a conversion of ``old`` to ``new`` keeps every value; False also where that is not known."""
    if old == new:
        return True
    try:
        return _fits(parse_type(old), parse_type(new), old, new)
    except SpecError:
        return False


def only_trailing_zeros(old: str, new: str) -> bool:
    """True where a FixedString becomes a String: zero bytes at the end of its values go, and nothing else."""
    return (unwrapped(old)[0].name, unwrapped(new)[0].name) == ("FixedString", "String")


def _fits(old: TypeText, new: TypeText, old_text: str, new_text: str) -> bool:
    if new.name == "SimpleAggregateFunction" or old.name == "SimpleAggregateFunction":
        return fits(_value(old, old_text), _value(new, new_text))
    if old.name == "LowCardinality" or new.name == "LowCardinality":
        return fits(_inside(old, old_text), _inside(new, new_text))
    if new.name == "Nullable":
        inner = new.arguments[0]
        return (
            fits(old.arguments[0], inner) if old.name == "Nullable" else old_text == "Nothing" or fits(old_text, inner)
        )
    if old.name == "Nullable":
        # These two hold NULL by themselves.
        return new.name in ("Dynamic", "Variant") and fits(old.arguments[0], new_text)
    # A Variant keeps the type of each value: any other member would be a conversion.
    if new.name == "Variant":
        return old_text in new.arguments
    if old_text == "Nothing":
        return True
    return _plain_fits(old, new, old_text, new_text)


def _plain_fits(old: TypeText, new: TypeText, old_text: str, new_text: str) -> bool:
    bits = _bits(old.name)
    if new.name == "String":
        return old.name in _AS_TEXT or bits is not None
    if bits is not None:
        return _number_fits(bits, new)
    if old.name in _MANTISSA:
        return _MANTISSA[old.name] <= _MANTISSA.get(new.name, 0)
    # A DateTime ends in 2106, and a Date in 2149.
    if old.name == "Date":
        return new.name == "Date32"
    if old.name in ("DateTime", "DateTime64"):
        return _time_fits(old, new)
    if old.name.startswith("Decimal") and new.name.startswith("Decimal"):
        (digits, scale), (more, finer) = decimal_digits(old), decimal_digits(new)
        # No digit fewer behind the point, and none before it.
        return finer >= scale and more - finer >= digits - scale
    if old.name in ("Enum8", "Enum16") and new.name in ("Enum8", "Enum16"):
        before, after = enum_labels(old_text) or {}, enum_labels(new_text) or {}
        return bool(before) and all(after.get(label) == value for label, value in before.items())
    if old.name in ("Array", "Map", "Tuple") and old.name == new.name:
        return _nested_fits(old, new)
    return False


def _number_fits(bits: tuple[bool, int], new: TypeText) -> bool:
    signed, width = bits
    other = _bits(new.name)
    if other is not None:
        more_signed, more = other
        # A Bool is 1 for every number but 0. A type with a sign needs one bit more for the numbers of one without.
        return new.name != "Bool" and (more >= width if more_signed == signed else more_signed and more > width)
    if new.name in _MANTISSA:
        return width - signed <= _MANTISSA[new.name]
    if new.name.startswith("Decimal"):
        digits, scale = decimal_digits(new)
        return len(str(2 ** (width - signed))) <= digits - scale
    return False


def _time_fits(old: TypeText, new: TypeText) -> bool:
    """The value is the instant; a time zone is only how it is shown. With nine digits a DateTime64 reaches less far
    than with fewer."""
    if new.name not in ("DateTime", "DateTime64"):
        return False
    before, after = (_precision(each) for each in (old, new))
    return (
        after >= before
        and (new.name == "DateTime64" or old.name == "DateTime")
        and (after < 9 or before == 9 or old.name == "DateTime")
    )


def _nested_fits(old: TypeText, new: TypeText) -> bool:
    before, after = ([_element(text) for text in each.arguments] for each in (old, new))
    if len(before) != len(after):
        return False
    # Inside composite types the engine converts an Enum by number. That is safe here: labels keep their numbers.
    return all(
        name == other and fits(kind, wanted) for (name, kind), (other, wanted) in zip(before, after, strict=True)
    )


def _element(text: str) -> tuple[str, str]:
    """Name ('' for none) and type of a Tuple's element."""
    try:
        tokens = Tokens(text)
    except TokenError:
        return "", text
    named = len(tokens) > 1 and tokens.is_kind(0, "word", "name") and tokens.is_kind(1, "word", "name")
    return (unquote(tokens.items[0].text), tokens.slice(1, len(tokens))) if named else ("", text)


def _value(kind: TypeText, text: str) -> str:
    return kind.arguments[-1] if kind.name == "SimpleAggregateFunction" else text


def _inside(kind: TypeText, text: str) -> str:
    return kind.arguments[0] if kind.name == "LowCardinality" else text


def _bits(name: str) -> tuple[bool, int] | None:
    """Whether a whole number has a sign, and how many bits it has; None for other types."""
    if name == "Bool":
        return False, 8
    found = _WHOLE.match(name)
    return (not found[1], int(found[2])) if found is not None else None


def _precision(kind: TypeText) -> int:
    return (
        int(kind.arguments[0])
        if kind.name == "DateTime64" and kind.arguments
        else 3
        if kind.name == "DateTime64"
        else 0
    )


def literal(expression: str) -> bool:
    """True for an expression that reads no column: numbers and strings alone."""
    try:
        pieces = Tokens(expression).items
    except TokenError:
        return False
    return (
        bool(pieces)
        and all(token.kind in ("number", "string") or token.text in "-+" for token in pieces)
        and len(split_top(expression)) == 1
    )
