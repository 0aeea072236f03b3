"""Arrow schemas from tables: what a producer needs to write rows that fit. Arrow is loaded here, when one is made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, TypeAlias, cast

from aaiclick.errors import SpecError
from aaiclick.specs.arrow.metadata import COMMENT, column_metadata, table_metadata
from aaiclick.specs.columns import Column
from aaiclick.sql.tokens import unquote
from aaiclick.sql.types import TypeText, element_name, unwrapped

# pyarrow has no type information, and is never imported here at load time.
Untyped: TypeAlias = Any
_INTEGER = re.compile(r"(U?)Int(\d+)\Z")
_PLAIN = {
    "Bool": "bool_",
    "String": "string",
    "Float32": "float32",
    "Float64": "float64",
    "Date": "date32",
    "Date32": "date32",
    "Time": "int32",  # seconds: the server does not convert time32 to it
    "Enum8": "string",
    "Enum16": "string",
    # Wider than any integer of Arrow, or without a type there: the server reads their texts.
    **dict.fromkeys(("Int128", "Int256", "UInt128", "UInt256", "IPv4", "IPv6"), "string"),
    # Arrow's durations end at the second.
    **{f"Interval{unit}": "int64" for unit in ("Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year")},
}
_DURATIONS = {
    "IntervalSecond": "s",
    "IntervalMillisecond": "ms",
    "IntervalMicrosecond": "us",
    "IntervalNanosecond": "ns",
}


def arrow_schema(columns: Iterable[Column], engine: object = None, comment: str | None = None) -> object:
    """A ``pyarrow.Schema`` with a field for each column that an INSERT can name. The exact type, default, codec and TTL
    are in the field's metadata, the keys of a MergeTree in the schema's.

    Raises ``SpecError`` where pyarrow is not installed, or Arrow has no such type.
    """
    try:
        arrow = import_module("pyarrow")
    except ImportError:
        raise SpecError("to_arrow", "pyarrow is not installed (pip install pyarrow)") from None
    fields: list[object] = []
    columns = list(columns)
    for column in columns:
        if column.kind in ("MATERIALIZED", "ALIAS"):
            continue
        kind, holds_null = _arrow(arrow, column.type, column.name)
        holds = holds_null or bool(column.kind)
        fields.append(arrow.field(column.name, kind, nullable=holds, metadata=column_metadata(column)))
    names = [column.name for column in columns]
    whole = {**table_metadata(engine, names), **({COMMENT.encode(): comment.encode()} if comment else {})}
    return cast("object", arrow.schema(fields, metadata=whole or None))


def _arrow(arrow: Untyped, type_text: str, name: str) -> tuple[Untyped, bool]:
    found, nullable = unwrapped(type_text)
    return _plain_arrow(arrow, found, name), nullable


def _plain_arrow(arrow: Untyped, found: TypeText, name: str) -> Untyped:
    integer = _INTEGER.match(found.name)
    if integer and int(integer[2]) <= 64:
        return getattr(arrow, f"{'u' if integer[1] else ''}int{integer[2]}")()
    if found.name in _PLAIN:
        return getattr(arrow, _PLAIN[found.name])()
    if found.name == "UUID":
        # Before pyarrow 18 it has no type for it; the server reads 16 bytes as one, too.
        return arrow.uuid() if hasattr(arrow, "uuid") else arrow.binary(16)
    if found.name in _DURATIONS:
        return arrow.duration(_DURATIONS[found.name])
    if found.name == "Time64":
        unit = _unit(int(found.arguments[0]) if found.arguments else 3)
        return (arrow.time32 if unit in ("s", "ms") else arrow.time64)(unit)
    if found.name in ("DateTime", "DateTime64"):
        digits = (
            int(found.arguments[0])
            if found.name == "DateTime64" and found.arguments
            else (3 if found.name == "DateTime64" else 0)
        )
        zone = next((unquote(argument) for argument in found.arguments if argument.startswith("'")), None)
        return arrow.timestamp(_unit(digits), tz=zone)
    match found.name, len(found.arguments):
        case "Decimal", 2:
            precision, scale = (int(argument) for argument in found.arguments)
            return arrow.decimal128(precision, scale) if precision <= 38 else arrow.decimal256(precision, scale)
        case "FixedString", 1:
            return arrow.binary(int(found.arguments[0]))
        case "Array", 1:
            kind, holds_null = _arrow(arrow, found.arguments[0], name)
            return arrow.list_(arrow.field("item", kind, nullable=holds_null))
        case "Map", 2:
            return arrow.map_(
                _arrow(arrow, found.arguments[0], name)[0],
                arrow.field("value", *_arrow(arrow, found.arguments[1], name)),
            )
        case "Tuple", _:
            parts = [element_name(argument) for argument in found.arguments]
            return arrow.struct(
                [
                    arrow.field(label or str(place), *_arrow(arrow, kind, name))
                    for place, (label, kind) in enumerate(parts, 1)
                ]
            )
        case _:
            raise SpecError(f"column {name}", f"{found.name} has no counterpart in Arrow")


def _unit(digits: int) -> str:
    return "s" if digits == 0 else "ms" if digits <= 3 else "us" if digits <= 6 else "ns"
