"""Single values of Python as SQL that the engine stores as exactly that value in a column of a given type.

The engine reads a bare number with a point as Float64, and one above UInt64 as well; converts a Float64 to a Decimal by
cutting; takes a text for a time in the column's zone; and moves what is outside of a type to its end, or around it, in
silence. So each kind of type has a way of writing of its own, and what does not fit is an error here.
"""

from __future__ import annotations

import enum
import ipaddress
import re
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import cast, get_args

from pydantic import UUID4

from aaiclick.sql.quoting import is_utf8, quote_string
from aaiclick.sql.tokens import unquote
from aaiclick.sql.types import DECIMALS, TypeText, decimal_digits

# The class alone: its module also makes random ones, which nothing here does.
UUID: type = get_args(UUID4)[0]
_WHOLE = re.compile(r"(U?)Int(8|16|32|64|128|256)\Z")
_LABEL = re.compile(r"('(?:[^'\\]|\\.|'')*')\s*(?:=\s*(-?\d+))?\Z", re.DOTALL)
_DAYS = {"Date": (date(1970, 1, 1), date(2149, 6, 6)), "Date32": (date(1900, 1, 1), date(2299, 12, 31))}
_UTC = timezone.utc
_SECONDS = (datetime(1970, 1, 1, tzinfo=_UTC), datetime(2106, 2, 7, 6, 28, 15, tzinfo=_UTC))
_MOMENTS = (datetime(1900, 1, 1, tzinfo=_UTC), datetime(2299, 12, 31, 23, 59, 59, 999999, tzinfo=_UTC))
_NANOSECONDS = (_MOMENTS[0], datetime(2262, 4, 11, 23, 47, 16, tzinfo=_UTC))
_MICROSECONDS = {
    "Microsecond": 1,
    "Millisecond": 1000,
    "Second": 10**6,
    "Minute": 60 * 10**6,
    "Hour": 3600 * 10**6,
    "Day": 86400 * 10**6,
    "Week": 7 * 86400 * 10**6,
}


class NoLiteralError(ValueError):
    """A value that a column of that type does not hold, or that cannot be written as SQL: the reason."""


def scalar_sql(value: object, kind: TypeText) -> str:
    """The value as SQL for a column of that type (no Nullable, LowCardinality, Array, Map, Tuple or Variant). Raises
    ``NoLiteralError``."""
    if kind.name in ("Enum8", "Enum16", "Enum"):
        return quote_string(_label(value, kind))
    if isinstance(value, enum.Enum):
        return scalar_sql(cast("object", value.value), kind)
    return _writer(kind.name)(value, kind)


def _writer(name: str) -> Callable[[object, TypeText], str]:
    if _WHOLE.match(name):
        return _whole
    if name in DECIMALS or name.upper() in ("DECIMAL", "DEC", "NUMERIC", "FIXED"):
        return _decimal
    if name.startswith("Interval"):
        return _interval
    return _WRITERS.get(name, _plain)


def _label(value: object, kind: TypeText) -> str:
    """The label of an Enum. A member of a Python enum counts by its text, by its name, or by its number."""
    found = [match for argument in kind.arguments if (match := _LABEL.match(argument)) is not None]
    labels = {unquote(match[1]): int(match[2]) if match[2] else place for place, match in enumerate(found, 1)}
    named = [value.value, value.name] if isinstance(value, enum.Enum) else [value]
    for name in named:
        if isinstance(name, str) and name in labels:
            return name
    number = value.value if isinstance(value, enum.Enum) else value
    if isinstance(number, int) and number in labels.values():
        return next(label for label, own in labels.items() if own == number)
    raise NoLiteralError("has no such label")


def number_sql(value: int) -> str:
    """A whole number: bare where the server reads it as one, else as text."""
    return f"{value:d}" if -(2**63) <= value < 2**64 else f"'{value:d}'"


def _whole(value: object, kind: TypeText) -> str:
    sign, width = cast("re.Match[str]", _WHOLE.match(kind.name)).groups()
    number = _exact(value)
    if number != number.to_integral_value():
        raise NoLiteralError("holds whole numbers")
    whole = int(number)
    low, high = (0, 2 ** int(width)) if sign else (-(2 ** (int(width) - 1)), 2 ** (int(width) - 1))
    if not low <= whole < high:
        raise NoLiteralError(f"ends at {low if whole < low else high - 1}")
    return number_sql(whole)


def _exact(value: object) -> Decimal:
    """A number as Decimal; a float as it is written (0.1 is 0.1)."""
    if not isinstance(value, int | float | Decimal | str):
        raise NoLiteralError("holds numbers")
    try:
        number = Decimal(float.__repr__(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise NoLiteralError("holds numbers") from None
    if not number.is_finite() or abs(number.adjusted()) > 1000:
        raise NoLiteralError("holds no such number")
    return number


_MOST_DIGITS = 76
"""Of a Decimal256."""


def _decimal(value: object, kind: TypeText) -> str:
    digits, scale = decimal_digits(kind)
    if not 1 <= digits <= _MOST_DIGITS or not 0 <= scale <= digits:
        raise NoLiteralError(f"has at most {_MOST_DIGITS} digits, and not more of them behind the point")
    number = _exact(value)
    ticks, rest = _ticks(number, scale)
    if rest:
        raise NoLiteralError(f"has {scale} digits behind the point")
    if abs(ticks) >= 10**digits:
        raise NoLiteralError(f"has {digits} digits, {scale} of them behind the point")
    if not ticks:
        return "0"
    text = f"{number:f}"
    # The server's way with a bare number: Float64, multiplied and cut. It keeps this one where that gives it back.
    bare = "." not in text and -(2**63) <= ticks // 10**scale < 2**63
    return text if bare or (abs(ticks) < 2**53 and int(float(text) * float(10**scale)) == ticks) else quote_string(text)


def _ticks(number: Decimal, scale: int) -> tuple[int, bool]:
    """The number in units of its last place, and whether something was behind that. Without Decimal's own arithmetic,
    which rounds to 28 digits."""
    sign, figures, exponent = number.as_tuple()
    whole = int("".join(map(str, figures)))
    places = int(exponent) + scale
    ticks, rest = (whole * 10**places, 0) if places >= 0 else divmod(whole, 10**-places)
    return (-ticks if sign else ticks), rest != 0


def _float(value: object, kind: TypeText) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if not _held(value, kind.name):
            raise NoLiteralError("does not hold it exactly")
        return f"{value:d}"
    if not isinstance(value, int | float | Decimal | str):
        raise NoLiteralError("holds numbers")
    try:
        return float.__repr__(float(value))
    except ValueError:
        raise NoLiteralError("holds numbers") from None


def _held(value: int, name: str) -> bool:
    try:
        number = float(value)
        near = struct.unpack("f", struct.pack("f", number))[0] if name != "Float64" else number
    except OverflowError:
        return False
    return bool(near == value)


def _bool(value: object, _kind: TypeText) -> str:
    if isinstance(value, int) and value in (0, 1):
        return "true" if value else "false"
    raise NoLiteralError("holds true and false")


def _string(value: object, kind: TypeText) -> str:
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    if kind.name == "FixedString":
        if not isinstance(raw, bytes):
            raise NoLiteralError("holds texts and bytes")
        if len(raw) > int(kind.arguments[0]):
            raise NoLiteralError(f"has {kind.arguments[0]} bytes")
    if isinstance(value, str):
        if not is_utf8(value):
            raise NoLiteralError("is no text that can be sent as UTF-8")
        return quote_string(str.__str__(value))
    if isinstance(raw, bytes):
        text = raw.decode("utf-8", "replace")
        return quote_string(text) if text.encode() == raw and text.isprintable() else f"unhex('{raw.hex().upper()}')"
    if isinstance(value, UUID | ipaddress.IPv4Address | ipaddress.IPv6Address):
        return quote_string(str(value))
    if isinstance(value, date) and not isinstance(value, datetime):
        return quote_string(value.isoformat())
    if isinstance(value, Decimal) and value.is_finite():
        return quote_string(f"{value:f}")
    return _plain(value, kind)


def _date(value: object, kind: TypeText) -> str:
    if isinstance(value, str):
        return quote_string(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise NoLiteralError("holds days")
    low, high = _DAYS[kind.name]
    if not low <= value <= high:
        raise NoLiteralError(f"goes from {low} to {high} on all releases")
    return quote_string(value.isoformat())


def _moment(value: object, kind: TypeText) -> str:
    if isinstance(value, str):
        return quote_string(value)
    if not isinstance(value, datetime):
        raise NoLiteralError("holds moments")
    wide = kind.name == "DateTime64"
    digits = (int(kind.arguments[0]) if kind.arguments else 3) if wide else 0
    zone = next((unquote(argument) for argument in kind.arguments if argument.startswith("'")), "")
    try:
        moment = value.replace(tzinfo=_UTC) if value.tzinfo is None else value.astimezone(_UTC)
    except (OverflowError, ValueError):
        raise NoLiteralError("does not reach that far") from None
    low, high = (_NANOSECONDS if digits == 9 else _MOMENTS) if wide else _SECONDS
    if not low <= moment <= high:
        raise NoLiteralError(f"goes from {low:%Y-%m-%d} to {high:%Y-%m-%d} on all releases")
    text = f"{moment.year:04}-{moment.month:02}-{moment.day:02} {_clock(moment, digits)}"
    # The server reads a text in the zone of the column. A value without a zone means just that.
    if value.tzinfo is None or zone == "UTC":
        return quote_string(text)
    return (
        f"toDateTime64({quote_string(text)}, {digits}, 'UTC')" if wide else f"toDateTime({quote_string(text)}, 'UTC')"
    )


def _clock(value: datetime | time, digits: int) -> str:
    """``12:30:00.5`` with that many digits behind the point. A Timestamp of pandas counts nanoseconds."""
    nanoseconds = value.microsecond * 1000 + int(getattr(value, "nanosecond", 0))
    ticks, rest = divmod(nanoseconds, 10 ** (9 - digits))
    if rest:
        raise NoLiteralError(f"has {digits} digits behind the second" if digits else "holds whole seconds")
    behind = f".{ticks:0{digits}}" if digits else ""
    return f"{value.hour:02}:{value.minute:02}:{value.second:02}{behind}"


def _time(value: object, kind: TypeText) -> str:
    if isinstance(value, str):
        return quote_string(value)
    if not isinstance(value, time):
        raise NoLiteralError("holds times of the day")
    if value.tzinfo is not None:
        raise NoLiteralError("has no time zone")
    digits = (int(kind.arguments[0]) if kind.arguments else 3) if kind.name == "Time64" else 0
    return quote_string(_clock(value, digits))


def _interval(value: object, kind: TypeText) -> str:
    unit = kind.name.removeprefix("Interval")
    if isinstance(value, int) and not isinstance(value, bool):
        return _whole(value, TypeText("Int64"))
    if not isinstance(value, timedelta):
        raise NoLiteralError("holds lengths of time")
    microseconds = (value.days * 86400 + value.seconds) * 10**6 + value.microseconds
    if unit == "Nanosecond":
        return _whole(microseconds * 1000, TypeText("Int64"))
    count, rest = divmod(microseconds, _MICROSECONDS.get(unit, 1))
    if unit not in _MICROSECONDS or rest:
        raise NoLiteralError(f"counts in the unit {unit.lower()}")
    return number_sql(count)


def _uuid(value: object, _kind: TypeText) -> str:
    if not isinstance(value, UUID | str):
        raise NoLiteralError("holds UUIDs")
    return quote_string(str(value))


def _address(value: object, kind: TypeText) -> str:
    wanted = (ipaddress.IPv4Address,) if kind.name == "IPv4" else (ipaddress.IPv4Address, ipaddress.IPv6Address)
    if not isinstance(value, (*wanted, str)) or "/" in str(value) or "%" in str(value):
        raise NoLiteralError("holds addresses alone")
    return quote_string(str(value))


def _plain(value: object, _kind: TypeText) -> str:
    """For types that are not known here, whose name may be an alias: what means the same everywhere."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return number_sql(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str) and is_utf8(value):
        return quote_string(str.__str__(value))
    raise NoLiteralError("has no way in which such a value is written")


_WRITERS: dict[str, Callable[[object, TypeText], str]] = {
    "Bool": _bool,
    "String": _string,
    "FixedString": _string,
    "Float32": _float,
    "Float64": _float,
    "BFloat16": _float,
    "Date": _date,
    "Date32": _date,
    "DateTime": _moment,
    "DateTime64": _moment,
    "Time": _time,
    "Time64": _time,
    "UUID": _uuid,
    "IPv4": _address,
    "IPv6": _address,
}
