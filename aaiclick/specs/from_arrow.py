"""Tables from Arrow schemas, and Arrow schemas from tables. Arrow itself is loaded only to make a schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

from aaiclick.errors import SpecError
from aaiclick.specs.columns import Column, ColumnFields
from aaiclick.sql.quoting import quoted_where_needed
from aaiclick.sql.types import TypeText, named, nullable_type, unwrapped

# pyarrow has no type information, and is never imported here at load time.
Untyped: TypeAlias = Any
TYPE_KEY, COMMENT_KEY = b"clickhouse.type", b"comment"
_PLAIN = {
    "bool": "Bool",
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "halffloat": "Float32",
    "float": "Float32",
    "double": "Float64",
    "string": "String",
    "large_string": "String",
    "string_view": "String",
    "binary": "String",
    "large_binary": "String",
    "binary_view": "String",
    "date32[day]": "Date32",
    "date64[ms]": "Date32",
    "time32[s]": "Time",
    "time32[ms]": "Time64(3)",
    "time64[us]": "Time64(6)",
    "time64[ns]": "Time64(9)",
    "duration[s]": "IntervalSecond",
    "duration[ms]": "IntervalMillisecond",
    "duration[us]": "IntervalMicrosecond",
    "duration[ns]": "IntervalNanosecond",
}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DECIMAL = re.compile(r"decimal\d+\((\d+), (-?\d+)\)\Z")
_INTEGER = re.compile(r"(U?)Int(\d+)\Z")


class ArrowField(Protocol):
    """What is read of a ``pyarrow.Field``."""

    name: str
    nullable: bool
    type: Untyped
    metadata: Mapping[bytes, bytes] | None


def arrow_columns(
    schema: Iterable[ArrowField], types_by_field: Mapping[str, str] | None = None, nullable: bool = True
) -> list[Column]:
    """A column for each field of an Arrow schema.

    ``types_by_field`` gives another type for single fields. ``nullable=False``: no field holds NULL, even though Arrow
    allows it everywhere by default. A type that ``to_arrow`` wrote into a field's metadata is used as it is.

    Raises ``SpecError`` for a type that ClickHouse does not have.
    """
    given = dict(types_by_field or {})
    columns: list[Column] = []
    for field in schema:
        metadata = field.metadata or {}
        own = given.pop(field.name, None) or metadata.get(TYPE_KEY, b"").decode()
        fields: ColumnFields = {}
        if metadata.get(COMMENT_KEY):
            fields["comment"] = metadata[COMMENT_KEY].decode()
        columns.append(Column(field.name, own or _field_type(field, nullable), **fields))
    if given:
        raise SpecError("types", f"unknown field {min(given)}")
    return columns


def arrow_schema(columns: Iterable[Column]) -> object:
    """A ``pyarrow.Schema`` with a field for each column that an INSERT can name; the exact type is in the field's
    metadata.

    Raises ``SpecError`` where pyarrow is not installed, or Arrow has no such type.
    """
    try:
        arrow = import_module("pyarrow")
    except ImportError:
        raise SpecError("to_arrow", "pyarrow is not installed (pip install pyarrow)") from None
    fields: list[object] = []
    for column in columns:
        if column.kind in ("MATERIALIZED", "ALIAS"):
            continue
        kind, holds_null = _arrow(arrow, column.type, column.name)
        metadata = {
            TYPE_KEY: column.type.encode(),
            **({COMMENT_KEY: column.comment.encode()} if column.comment else {}),
        }
        fields.append(arrow.field(column.name, kind, nullable=holds_null or bool(column.kind), metadata=metadata))
    return cast("object", arrow.schema(fields))


def _field_type(field: ArrowField, nullable: bool) -> str:
    kind = _type_of(field.type, f"field {field.name}", nullable)
    return nullable_type(kind) if nullable and field.nullable else kind


def _type_of(kind: Untyped, where: str, nullable: bool) -> str:
    text = str(kind)
    if text in _PLAIN:
        return _PLAIN[text]
    head = re.split(r"[\[<(]", text, maxsplit=1)[0]
    if head == "timestamp":
        digits = _DIGITS[str(kind.unit)]
        zone = f", '{kind.tz}'" if kind.tz else ""
        return f"DateTime64({digits}{zone})"
    if head == "fixed_size_binary":
        return f"FixedString({int(kind.byte_width)})"
    decimal = _DECIMAL.match(text)
    if decimal:
        return f"Decimal({decimal[1]}, {decimal[2]})"
    if head == "dictionary":
        inner = _type_of(kind.value_type, where, nullable)
        # A dictionary of Arrow says how values are stored, as LowCardinality does; only for texts it is worth it.
        return f"LowCardinality({inner})" if inner == "String" else inner
    if head in ("list", "large_list", "fixed_size_list", "list_view", "large_list_view"):
        return f"Array({_field_type(kind.value_field, nullable)})"
    if head == "map":
        return f"Map({_type_of(kind.key_type, where, nullable)}, {_field_type(kind.item_field, nullable)})"
    if head == "struct":
        parts = [cast("ArrowField", kind.field(place)) for place in range(int(kind.num_fields))]
        return (
            f"Tuple({', '.join(f'{quoted_where_needed(part.name)} {_field_type(part, nullable)}' for part in parts)})"
        )
    raise SpecError(where, f"the Arrow type {text} has no type in ClickHouse: say one with types=")


def _arrow(arrow: Untyped, type_text: str, name: str) -> tuple[Untyped, bool]:
    found, nullable = unwrapped(type_text)
    return _plain_arrow(arrow, found, name), nullable


def _plain_arrow(arrow: Untyped, found: TypeText, name: str) -> Untyped:
    integer = _INTEGER.match(found.name)
    if integer and int(integer[2]) <= 64:
        return getattr(arrow, f"{'u' if integer[1] else ''}int{integer[2]}")()
    plain = {
        "Bool": "bool_",
        "String": "string",
        "Float32": "float32",
        "Float64": "float64",
        "Date": "date32",
        "Date32": "date32",
        "Enum8": "string",
        "Enum16": "string",
    }
    if found.name in plain:
        return getattr(arrow, plain[found.name])()
    if found.name in ("DateTime", "DateTime64"):
        digits = (
            int(found.arguments[0])
            if found.name == "DateTime64" and found.arguments
            else (3 if found.name == "DateTime64" else 0)
        )
        zone = next((argument.strip("'") for argument in found.arguments if argument.startswith("'")), None)
        unit = "s" if digits == 0 else "ms" if digits <= 3 else "us" if digits <= 6 else "ns"
        return arrow.timestamp(unit, tz=zone)
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
            parts = [named(argument) for argument in found.arguments]
            return arrow.struct(
                [
                    arrow.field(label or str(place), *_arrow(arrow, kind, name))
                    for place, (label, kind) in enumerate(parts, 1)
                ]
            )
        case _:
            raise SpecError(f"column {name}", f"{found.name} has no counterpart in Arrow")
