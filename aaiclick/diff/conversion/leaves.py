"""Conversion of one plain value: when the new type cannot hold it, and when it becomes another value.

Each function returns a condition over ``value``, an expression that is never NULL; '' for a condition that is never
true. They describe what the engine's CAST does, type by type; tests/coverage/test_conversions.py checks every pair.
"""

from __future__ import annotations

from aaiclick.diff.conversion.labels import labels_of, missing, quote_label
from aaiclick.diff.conversion.numbers import decimal, floating, holds, numeric, whole
from aaiclick.diff.conversion.shapes import text_of
from aaiclick.sql.quoting import quote_string
from aaiclick.sql.types import TypeText

_DAYS = ("Date", "Date32")
_TIMES = ("DateTime", "DateTime64")
_CLOCKS = ("Time", "Time64")
_MOMENTS = (*_DAYS, *_TIMES, *_CLOCKS)
_FINE = ("DateTime64", "Time64")
_READ_BACK = ("Bool", "UUID", "IPv4", "IPv6", *_DAYS)
"""Their text is read back as the same value, whatever it is; so is that of numbers and Intervals."""


def unfit_values(value: str, old: TypeText, new: TypeText) -> str:
    """True for values that the new type cannot hold: the conversion fails, or wraps around."""
    if old == new or new.name == "String" or _proven(old, new) or _seconds(old, new):
        return ""
    # Enums first: they are converted by label, whatever their numbers say.
    labels, wanted = labels_of(old), labels_of(new)
    if labels is not None:
        return _label_unfit(value, labels, new, wanted)
    if wanted is not None:
        return _number_unfit(value, old, wanted)
    if new.name == "FixedString":
        return _too_long(value, old, int(new.arguments[0]))
    if _interval(new) or _interval(old):
        return _interval_unfit(value, old, new)
    if numeric(old) and numeric(new):
        return _inexact(value, old, new)
    count = whole(new)
    # The fraction goes: that is ``altered_values``. Here only the whole seconds have to fit.
    if old.name in _FINE and count is not None:
        return f"isNull(accurateCastOrNull({_cast(value, 'Int64')}, {quote_string(text_of(new))}))"
    if old.name in _MOMENTS and count is not None:  # not every whole number converts back to a time, but Int64 does
        negative = "" if count.signed else f"{_cast(value, 'Int64')} < 0 OR "
        return (
            f"{negative}{_cast(value, 'Int256')} != {_cast(_cast(value, text_of(new)), 'Int256')} OR "
            f"{_lost(value, old, TypeText('Int64'))}"
        )
    if new.name in _MOMENTS and whole(old) is not None:
        return f"{_cast(_cast(value, text_of(new)), 'Int256')} != {_cast(value, 'Int256')} OR {_lost(value, old, new)}"
    # A text fits where it can be read; what is read may still be another value (``altered_values``).
    if old.name in ("String", "FixedString") or (old.name, new.name) == ("IPv6", "IPv4"):
        # Of a FixedString itself the engine throws where it is no number.
        return _refused(f"toString({value})" if old.name == "FixedString" else value, new)
    return _beyond(value, new) if _coarser(old, new) else _lost(value, old, new)


def altered_values(value: str, old: TypeText, new: TypeText) -> str:
    """True for values that the new type takes, but as another value: rounded, cut off, with fewer digits, or spelled
    otherwise."""
    if old == new or _proven(old, new):
        return ""
    if old.name == "String":
        return _text_differs(value, new)
    if old.name == "FixedString":
        return _fixed_differs(value, int(old.arguments[0]), new)
    if labels_of(old) is not None and new.name in _MOMENTS:
        return _lost(value, old, new)
    if labels_of(new) is not None:
        return ""
    if labels_of(old) is not None:
        return altered_values(_cast(value, "Int16"), TypeText("Int16"), new) if numeric(new) else ""
    if _interval(new) and (_interval(old) or floating(old)):
        return _lost(value, old, new)
    if _interval(new) or (_interval(old) and numeric(new)):
        count = TypeText("Int64")
        return (
            altered_values(value, old, count)
            if numeric(old)
            else altered_values(_cast(value, "Int64"), count, new)
            if _interval(old)
            else ""
        )
    if new.name == "String":
        return (
            ""
            if _reads_back(old)
            else "NOT "
            f"ifNull({_same(value, f'accurateCastOrNull(toString({value}), {quote_string(text_of(old))})')}, 0)"
        )
    if _coarser(old, new):
        return _lost(value, old, new)
    if old.name in _FINE and whole(new) is not None:
        return _lost(value, old, TypeText("Int64"))
    return _number_differs(value, old, new) if numeric(old) and numeric(new) and new.name != "Bool" else ""


def _coarser(old: TypeText, new: TypeText) -> bool:
    """A moment that loses its fraction, digits of it, or its time of day."""
    if old.name == new.name and old.name in _FINE:
        return int(new.arguments[0]) < int(old.arguments[0])
    days = old.name in _TIMES and new.name in _DAYS
    return days or (old.name, new.name) == ("DateTime64", "DateTime") or _seconds(old, new)


def _seconds(old: TypeText, new: TypeText) -> bool:
    """The engine has no conversion for this pair: a copy goes by way of the whole seconds. Both end with the 999th
    hour."""
    return (old.name, new.name) == ("Time64", "Time")


def _beyond(value: str, new: TypeText) -> str:
    """True for moments that the coarser type does not reach."""
    if new.name in _DAYS:
        return f"toDate32({value}) != toDate32({_cast(value, new.name)})"
    return f"{_cast(value, 'Int64')} NOT BETWEEN 0 AND 4294967295" if new.name == "DateTime" else ""


def _proven(old: TypeText, new: TypeText) -> bool:
    """True where every value comes through as it is: no row has to be looked at."""
    if numeric(old) and numeric(new):
        return holds(old, new)
    match old.name, new.name:
        case ("Date", "Date32") | ("DateTime", "DateTime"):
            return True
        case ("DateTime", "DateTime64") | ("Time", "Time64"):
            return True
        # With nine digits a DateTime64 ends in 2262, and the engine throws where a moment is later (407).
        case "DateTime64", "DateTime64":
            return old.arguments[0] == new.arguments[0]  # nanoseconds end in 2262
        case "Time64", "Time64":
            return int(old.arguments[0]) <= int(new.arguments[0])
        case "FixedString", "FixedString":
            return int(old.arguments[0]) <= int(new.arguments[0])
        case _:
            return False


def _label_unfit(value: str, labels: dict[str, int], new: TypeText, wanted: dict[str, int] | None) -> str:
    if wanted is not None:
        gone = missing(labels, wanted)
        return f"toString({value}) IN ({', '.join(map(quote_label, gone))})" if gone else ""
    if new.name == "FixedString":
        return f"length(toString({value})) > {new.arguments[0]}"
    if not numeric(new):
        return _refused(value, new)
    number = TypeText("Int16")
    return "" if holds(number, new) else unfit_values(_cast(value, "Int16"), number, new)


def _number_unfit(value: str, old: TypeText, wanted: dict[str, int]) -> str:
    if old.name in ("String", "FixedString"):
        return f"toString({value}) NOT IN ({', '.join(map(quote_label, wanted))})"
    return f"{value} NOT IN ({', '.join(map(str, sorted(wanted.values())))})"


def _too_long(value: str, old: TypeText, width: int) -> str:
    if old.name == "FixedString":
        # Other bytes than zero are cut off.
        return (
            f"replaceAll(substring({_cast(value, 'String')}, {width + 1}), unhex('00'), '') != ''"
            if width < int(old.arguments[0])
            else ""
        )
    return (
        f"length({value}) > {width}"
        if old.name == "String"
        else _refused(value, TypeText("FixedString", (str(width),)))
    )


def _interval_unfit(value: str, old: TypeText, new: TypeText) -> str:
    """An Interval is an Int64 with a name: the engine's own check does not know that."""
    if _interval(old) and _interval(new):
        return ""
    count = TypeText("Int64")
    if _interval(new):
        return unfit_values(value, old, count) if numeric(old) else _refused(value, count)
    return unfit_values(_cast(value, "Int64"), count, new)


def _inexact(value: str, old: TypeText, new: TypeText) -> str:
    """True for numbers that are out of the new type's range. What it holds with fewer digits only is another
    question."""
    if new.name == "Bool":
        # The server makes true of every number but 0.
        return f"{value} NOT IN (0, 1)"
    if floating(old) and floating(new):
        return f"isFinite({value}) AND isInfinite({_cast(value, text_of(new))})"
    if floating(old):
        # Of a number with a fraction accurateCastOrNull gives NULL, also where only the fraction would go.
        return _refused(f"trunc({value})" if whole(new) is not None else value, new)
    if floating(new):
        count = whole(old)
        # Every number of 64 bits is in the range of a Float32, the largest of 128 are not.
        return f"isInfinite({_cast(value, text_of(new))})" if count is not None and count.bits > 64 else ""
    if decimal(old) is not None and whole(new) is not None:
        return _refused(f"toString(trunc({value}))", new)  # of the Decimal itself the engine throws
    return _refused(value, new)


def _number_differs(value: str, old: TypeText, new: TypeText) -> str:
    """A number with a fraction or digits that the new type does not hold. Between a binary and a decimal fraction it is
    the shortest text that counts: 0.29 is 0.29. And a zero may have lost its sign."""
    places = decimal(new)
    if floating(old) and places is not None:
        there = _cast(value, text_of(new))
        # The widest Decimal, so that only the places behind the point decide.
        exact = f"accurateCastOrNull(toString({value}), 'Decimal(76, {places[1]})') = {there}"
        return f"NOT ifNull({exact}, 0) OR NOT {_same(_cast(f'toString({there})', text_of(old)), value)}"
    if decimal(old) is not None and floating(new):
        back = f"accurateCastOrNull(toString({_cast(value, text_of(new))}), {quote_string(text_of(old))})"
        return f"NOT ifNull({back} = {value}, 0)"
    if floating(old):
        return _lost(value, old, new)
    if floating(new):
        return _refused(value, new)
    if decimal(old) is not None and whole(new) is not None:
        return f"trunc({value}) != {value}"
    if decimal(old) is not None:
        return (
            f"NOT ifNull(accurateCastOrNull(accurateCastOrNull({value}, {quote_string(text_of(new))}), "
            f"{quote_string(text_of(old))}) = {value}, 0)"
        )
    return ""


def _fixed_differs(value: str, width: int, new: TypeText) -> str:
    if new.name == "FixedString":
        return ""
    if new.name == "String":
        return f"length({_cast(value, 'String')}) != {width}"
    return _text_differs(_cast(value, "String"), new)


def _text_differs(value: str, new: TypeText) -> str:
    """True for a text which ``new`` takes but does not give back: '1.239' as a Decimal(18, 2), '1950-01-01' as a Date
    (1970-01-01), '007' as a number.

    Spelling that carries nothing may differ: zeros at the end of a fraction, the T between day and time, capital
    letters in a UUID or an address.
    """
    if new.name in ("String", "Enum8", "Enum16"):
        return ""
    if new.name == "FixedString":
        return f"endsWith({value}, unhex('00'))"
    before, after = value, f"toString(accurateCastOrNull({value}, {quote_string(text_of(new))}))"
    match new.name:
        # Their text has one spelling. '1950-01-01' as a Date is 1970-01-01: the server takes it without an error.
        case "Bool" | "Date" | "Date32":
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


def _reads_back(found: TypeText) -> bool:
    if found.name == "DateTime":
        return found.arguments == ("'UTC'",)  # elsewhere an hour may come twice
    return numeric(found) or _interval(found) or found.name in _READ_BACK


def _interval(found: TypeText) -> bool:
    return found.name.startswith("Interval")


def _lost(value: str, old: TypeText, new: TypeText) -> str:
    """There and back again: a value that comes back different has lost something (a fraction, the time of day, the sign
    of a zero)."""
    there = _cast(_cast(value, "Int64") if _seconds(old, new) else value, text_of(new))
    return f"NOT {_same(_cast(there, text_of(old)), value)}"


def _same(one: str, other: str) -> str:
    """Bit by bit: NaN is NaN, and a zero has a sign."""
    # ``=`` says that -0.0 is 0.0 and that NaN is not itself.
    return f"cityHash64({one}) = cityHash64({other})"


def _refused(value: str, new: TypeText) -> str:
    return f"isNull(accurateCastOrNull({value}, {quote_string(text_of(new))}))"


def _cast(value: str, type_text: str) -> str:
    return f"CAST({value}, {quote_string(type_text)})"
