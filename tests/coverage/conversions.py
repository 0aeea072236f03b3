"""Types with awkward values, and an oracle that knows nothing of the planner: what a direct ``CAST`` into the new type
gives.

A conversion *loses* a value where the engine refuses it, where its text reads differently within one family of types
(numbers as numbers, moments as moments), or where the way back gives something else.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from aaiclick.diff.conversion import values
from aaiclick.sql.quoting import quote_string

MOVED = "Enum8('b' = 1, 'a' = 2)"
LABELS = "Enum8('a' = 1, 'b' = 2)"
TEXTS = (
    "'' '7' '007' '1.50' 'a' 'b' 'x y' 'true' 'yes' '2020-01-01' '1950-01-01' '2020-01-01 00:00:00' "
    "'2020-01-01T00:00:00' '2020-01-01 00:00:00.123'"
    " '[1,2]' '[300]' '12:34:56' '127.0.0.1' '::1' '1e5' 'nan' '61F0C404-5CB3-11E7-907B-A6006AD3DBA0'"
)
DOCUMENTS = (
    r"'ab\0'",
    """'{"a":1}'""",
    """'{"a":null,"b":1}'""",
    """'{"a":{},"b":2}'""",
    """'{"a.b":1}'""",
    """'{"b":2, "a":1}'""",
    r"'(300,\'x\')'",
    r"'(1,\'x\')'",
)
TYPES: dict[str, tuple[str, ...]] = {
    "UInt8": ("0", "1", "200"),
    "Int8": ("-1", "0", "127"),
    "UInt64": ("0", "1", "18446744073709551615", "9007199254740993", "40000"),
    "Int64": ("-9223372036854775808", "-1", "1700000000", "9007199254740993"),
    "UInt256": ("0", "115792089237316195423570985008687907853269984665640564039457584007913129639935"),
    "Int128": ("-1", "170141183460469231731687303715884105727"),
    "Bool": ("true", "false"),
    "Float32": ("0.1", "255", "-0.", "nan", "inf", "1e30", "16777216", "1.5"),
    "Float64": ("0.1", "0.29", "-0.", "nan", "-inf", "1e300", "9007199254740992", "1e22", "1.5", "123456789.125"),
    "Decimal(9, 2)": ("'1.20'", "'-0.05'", "'9999999.99'", "'0.29'"),
    "Decimal(18, 4)": ("'1.2345'", "'12345678901234.5'", "'7'"),
    "Decimal(76, 10)": ("'1.0000000001'", "'99999999999999999999999999'"),
    "String": (*re.findall(r"'[^']*'", TEXTS), *DOCUMENTS),
    "LowCardinality(String)": ("''", "'7'", "'a'"),
    "Nullable(String)": ("NULL", "''", "'7'", "'a'"),
    "FixedString(4)": ("'ab'", "'abcd'", "'7'"),
    "FixedString(2)": ("'ab'", "'7'"),
    LABELS: ("'a'", "'b'"),
    MOVED: ("'a'", "'b'"),
    "Enum16('a' = 1000, 'b' = 2, 'c' = 3)": ("'a'", "'b'", "'c'"),
    "Enum8('7' = 1, '1' = 7)": ("'7'", "'1'"),
    f"Nullable({LABELS})": ("'a'", "NULL"),
    f"Array({LABELS})": ("['a','b']",),
    f"Array({MOVED})": ("['a','b']",),
    f"Map({LABELS}, UInt8)": ("map('a',1)",),
    f"Map({MOVED}, UInt16)": ("map('a',1)",),
    f"Tuple(e {LABELS}, n UInt8)": ("('a',3)",),
    "Tuple(n UInt16, e Enum16('b' = 2, 'a' = 1000))": ("(3,'a')",),
    f"Array(Tuple(e Nullable({LABELS}), n UInt8))": ("[('a',3),(NULL,1)]",),
    f"Array(Tuple(n UInt8, e Nullable({MOVED})))": ("[(3,'a')]",),
    "Date": ("'2020-01-01'", "'1970-01-01'", "'2149-06-06'"),
    "Date32": ("'2020-01-01'", "'1900-01-01'", "'2299-12-31'"),
    "DateTime('Europe/Berlin')": (
        "'2020-01-01 00:00:00'",
        "'2020-01-01 12:00:01'",
        "1603589400",
        "1603593000",
        "4294967295",
    ),
    "DateTime('UTC')": ("'2020-01-01 00:00:00'", "'2020-10-25 02:30:00'"),
    "DateTime64(3, 'Europe/Berlin')": (
        "'2020-01-01 00:00:00.000'",
        "'2020-01-01 00:00:00.123'",
        "'1900-01-02 00:00:00'",
        "'2299-12-31 00:00:00'",
    ),
    "DateTime64(9, 'UTC')": ("'2020-01-01 00:00:00.123456789'", "'2020-01-01 00:00:00'"),
    "DateTime64(0, 'UTC')": ("'2020-01-01 00:00:00'", "'2299-12-31 00:00:00'"),
    "Time": ("'00:00:12'", "'-10:00:00'"),
    "Time64(3)": ("'00:00:12.5'", "'00:00:12'"),
    "UUID": ("'61f0c404-5cb3-11e7-907b-a6006ad3dba0'",),
    "IPv4": ("'127.0.0.1'",),
    "IPv6": ("'::1'", "'::ffff:127.0.0.1'"),
    "IntervalDay": ("7", "-1"),
    "IntervalHour": ("48", "7"),
    "Array(UInt8)": ("[]", "[1,200]"),
    "Array(Int8)": ("[-1]",),
    "Array(String)": ("['a','7']", "[]"),
    "Array(Nullable(UInt8))": ("[1,NULL]", "[1]"),
    "Array(FixedString(4))": ("['ab']", "['abcd']"),
    "Array(FixedString(2))": ("['ab']",),
    "Map(String, UInt8)": ("map('a',200)",),
    "Map(String, Int8)": ("map('a',-1)",),
    "Array(Tuple(String, UInt8))": ("[('a',1),('a',2)]",),
    "Tuple(a UInt8, b String)": ("(200,'x')", "(1,'')"),
    "Tuple(b String, a Int8)": ("('x',1)",),
    "Tuple(a UInt8)": ("tuple(1)",),
    "Variant(String, UInt64)": ("NULL", "'x'", "7::UInt64"),
    "Variant(Date, String, UInt64)": ("NULL", "'x'", "7::UInt64", "'2020-01-01'::Date"),
    "Dynamic": ("NULL", "'x'", "'007'", "7::UInt64", "[1,2]", "'2020-01-01'::Date"),
    "JSON": ("""'{"a":1}'""", "'{}'", """'{"b":"x"}'""", """'{"a":"x"}'"""),
    "JSON(a UInt32)": ("""'{"a":1}'""",),
    "Point": ("(1,2)",),
    "Ring": ("[(1,2)]",),
    "Polygon": ("[[(1,2)]]",),
    "Array(Tuple(Float32, Float32))": ("[(1,2)]",),
    "SimpleAggregateFunction(max, UInt64)": ("1",),
    "Nullable(UInt8)": ("NULL", "1"),
    "LowCardinality(Nullable(String))": ("NULL", "'a'"),
}
NUMBERS = re.compile(
    r"(?:Nullable\(|SimpleAggregateFunction\(max, )?(?:U?Int\d+|Float\d+|Decimal\(.*\)|Interval\w+)\)*\Z"
)
MOMENTS = re.compile(r"(?:Date|Time)")
NO_CONVERSION = ("Code: 43.", "Code: 44.", "Code: 48.", "Code: 50.", "Code: 53.", "Code: 70.", "Code: 386.")


@dataclass(frozen=True)
class Seen:
    """``old`` and ``new`` as text, and whether the way back gives the same (None: there is none)."""

    old: str
    new: str
    back: bool | None


def questions(old: str, new: str) -> tuple[str, str, str]:
    """Expressions over ``x``: the converted value as the reference makes it, whether the value is unfit, and whether it
    differs."""
    reference = f"CAST({through_text('x', old, new)}, {quote_string(new)})"
    empty = "isNull(x)" if values.holds_null(old) and not values.holds_null(new) else "0"
    unfit, differs = values.unfit_rows("x", old, new) or "0", values.altered_rows("x", old, new) or "0"
    return reference, f"{empty} OR ({unfit})", f"NOT ({empty} OR ({unfit})) AND ({differs})"


def through_text(source: str, old: str, new: str) -> str:
    """The engine itself goes by number from Enum to Enum inside of composite types, and cuts no padding: there it is
    led by way of texts."""
    twin = (
        re.sub(r"Enum(?:8|16)\((?:[^()']|'(?:[^'\\]|\\.)*')*\)", "String", old)
        if "Enum" in old and "Enum" in new
        else old
    )
    twin = re.sub(r"FixedString\(\d+\)", "String", twin) if "FixedString" in new or "Enum" in new else twin
    return source if twin == old else f"CAST({source}, {quote_string(twin)})"


def lost(old: str, new: str, seen: Seen) -> bool:
    """True where the reference itself shows another value."""
    if seen.back is False and not _same_number(seen.old, seen.new) and not _same_text(seen.old, seen.new):
        return True
    if NUMBERS.match(old) and NUMBERS.match(new) and not (old.startswith("Interval") and new.startswith("Interval")):
        exact = seen.back and "Float" in new and (("Float" in old) or _exactly(seen.new, new) == Decimal(seen.old))
        return not _same_number(seen.old, seen.new) and not exact
    return False


def _exactly(text: str, type_text: str) -> Decimal:
    """The binary fraction whose shortest text that is."""
    kind = "f" if "Float32" in type_text else "d"
    return Decimal(struct.unpack(kind, struct.pack(kind, float(text)))[0])


def _same_text(old: str, new: str) -> bool:
    """Up to the spelling of the same moment, number, address or document."""
    return _plain(old) == _plain(new)


def _plain(text: str) -> str:
    text = re.sub(r"(\.\d*?)0+$", r"\1", text.lower().replace("t", " ").rstrip("\0")).rstrip(".")
    return "".join(sorted(re.findall(r"[^\s,:{}()\[\]'\"]+", text)))


def _same_number(old: str, new: str) -> bool:
    try:
        one, two = Decimal(old), Decimal(new)
    except InvalidOperation:
        return old == new
    return (one == two and one.is_signed() == two.is_signed()) or (one.is_nan() and two.is_nan())
