"""Tables from Arrow schemas, and Arrow schemas from tables. Arrow itself is loaded only to make a schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

from aaiclick.errors import SpecError
from aaiclick.specs.arrow.metadata import (
    COLUMN_KEYS,
    COMMENT,
    TABLE_KEYS,
    TYPE,
    TableWords,
    column_fields,
    column_metadata,
    engine_of,
    said,
    table_metadata,
)
from aaiclick.specs.columns import Column
from aaiclick.sql.quoting import quoted_where_needed
from aaiclick.sql.types import TypeText, named, nullable_type, unwrapped

# pyarrow has no type information, and is never imported here at load time.
Untyped: TypeAlias = Any
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
    "time32[s]": "Time64(0)",  # the server reads it as that, and does not convert it to Time
    "time32[ms]": "Time64(3)",
    "time64[us]": "Time64(6)",
    "time64[ns]": "Time64(9)",
    "duration[s]": "IntervalSecond",
    "duration[ms]": "IntervalMillisecond",
    "duration[us]": "IntervalMicrosecond",
    "duration[ns]": "IntervalNanosecond",
}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_EXTENSIONS = {"arrow.uuid": "UUID", "arrow.bool8": "Bool"}
"""Extension types that have a type of their own. Of any other the storage counts: that is what is in the stream."""
_OFFSET = re.compile(r"[+-]\d\d:?\d\d\Z|Z\Z|utc\Z")
_DECIMAL = re.compile(r"decimal\d+\((\d+), (-?\d+)\)\Z")
_INTEGER = re.compile(r"(U?)Int(\d+)\Z")


class ArrowField(Protocol):
    """What is read of a ``pyarrow.Field``."""

    name: str
    nullable: bool
    type: Untyped
    metadata: Mapping[bytes, bytes] | None


class HasSchema(Protocol):
    """A stream of record batches, a batch, a table of Arrow, a reader of Flight."""

    @property
    def schema(self) -> Untyped:
        """Its ``pyarrow.Schema``."""


ArrowSource: TypeAlias = "Iterable[ArrowField] | HasSchema"
"""What a table can be made of."""


def arrow_columns(
    schema: Iterable[ArrowField], types_by_field: Mapping[str, str] | None = None, nullable: bool = True
) -> tuple[list[Column], dict[str, dict[str, str]]]:
    """A column for each field of an Arrow schema, and what the metadata of each field say.

    ``types_by_field`` gives another type for single fields. ``nullable=False``: no field holds NULL, even though Arrow
    allows it everywhere by default. A type that ``to_arrow`` wrote into a field's metadata is used as it is.

    Raises ``SpecError`` for a type that ClickHouse does not have, and for metadata that mean nothing.
    """
    given = dict(types_by_field or {})
    columns: list[Column] = []
    told: dict[str, dict[str, str]] = {}
    for field in schema:
        told[field.name] = said(field.metadata, COLUMN_KEYS, f"field {field.name}")
        own = given.pop(field.name, None) or told[field.name].get(TYPE)
        columns.append(Column(field.name, own or _field_type(field, nullable), **column_fields(told[field.name])))
    if given:
        raise SpecError("types", f"unknown field {min(given)}")
    return columns, told


def arrow_table(
    source: object, types_by_field: Mapping[str, str] | None, nullable: bool
) -> tuple[list[Column], TableWords]:
    """Columns and keywords of the table for a schema, or for anything that has one (``.schema``): a stream of record
    batches, a batch, a table of Arrow. Raises ``SpecError`` as ``arrow_columns``, and where keys contradict each
    other."""
    schema: Untyped = getattr(source, "schema", source)
    columns, told = arrow_columns(cast("Iterable[ArrowField]", schema), types_by_field, nullable)
    whole = said(getattr(schema, "metadata", None), TABLE_KEYS, "the schema")
    fields: TableWords = {}
    engine = engine_of(whole, told, columns)
    if engine is not None:
        fields["engine"] = engine
    if COMMENT in whole:
        fields["comment"] = whole[COMMENT]
    return columns, fields


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
    for column in columns:
        if column.kind in ("MATERIALIZED", "ALIAS"):
            continue
        kind, holds_null = _arrow(arrow, column.type, column.name)
        holds = holds_null or bool(column.kind)
        fields.append(arrow.field(column.name, kind, nullable=holds, metadata=column_metadata(column)))
    whole = {**table_metadata(engine), **({COMMENT.encode(): comment.encode()} if comment else {})}
    return cast("object", arrow.schema(fields, metadata=whole or None))


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
        # Arrow's values are moments; the zone says how they are shown. ClickHouse has no zones of an offset alone.
        zone = "UTC" if kind.tz and _OFFSET.match(kind.tz) else kind.tz
        zone = f", '{zone}'" if zone else ""
        return f"DateTime64({digits}{zone})"
    if head == "fixed_size_binary":
        return f"FixedString({int(kind.byte_width)})"
    decimal = _DECIMAL.match(text)
    if decimal and int(decimal[2]) >= 0:
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
    if head in ("extension", "uuid", "bool8"):
        known = _EXTENSIONS.get(str(kind.extension_name))
        return known or _type_of(kind.storage_type, where, nullable)
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
