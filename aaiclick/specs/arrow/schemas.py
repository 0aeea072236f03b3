"""Tables from Arrow schemas. Arrow itself is not loaded: only what a schema says of itself is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, cast

from aaiclick.errors import SpecError
from aaiclick.specs.arrow.metadata import COMMENT, TYPE, TableWords, column_fields, engine_in_metadata, read_keys, said
from aaiclick.specs.columns import Column
from aaiclick.sql.quoting import quote_string, quoted_where_needed
from aaiclick.sql.types import nullable_type

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
_ZONE = re.compile(r"[A-Za-z0-9_+./-]+\Z")
_DATE64 = (
    "date64: the server reads its seconds with 32 bits, and takes any day outside of 1970 to 2106 for another one. "
    "Send date32, or timestamp('ms') where the time of day counts; or say Date32 with types= if every day is inside"
)


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
    schema: Iterable[ArrowField],
    types_by_field: Mapping[str, str] | None = None,
    nullable: bool = True,
    read: frozenset[str] | None = None,
) -> tuple[list[Column], dict[str, dict[str, str]]]:
    """A column for each field of an Arrow schema, and what the metadata of each field say.

    ``types_by_field`` gives another type for single fields. ``nullable=False``: no field holds NULL, even though Arrow
    allows it everywhere by default. A type that ``to_arrow`` wrote into a field's metadata is used as it is. ``read``:
    the keys of metadata that count; None: all.

    Raises ``SpecError`` for a type that ClickHouse does not have, and for metadata that mean nothing.
    """
    given = dict(types_by_field or {})
    columns: list[Column] = []
    told: dict[str, dict[str, str]] = {}
    for field in schema:
        told[field.name] = said(field.metadata, False, f"field {field.name}", read)
        own = given.pop(field.name, None)
        if own is None:
            # Also where metadata say a type: what the server does to the values is not changed by that.
            own = _field_type(field, f"field {field.name}", nullable, told[field.name].get(TYPE))
        columns.append(Column(field.name, own, **column_fields(told[field.name])))
    if given:
        raise SpecError("types", f"unknown field {min(given)}")
    return columns, told


def arrow_table(
    source: object, types_by_field: Mapping[str, str] | None, nullable: bool, metadata: object = None
) -> tuple[list[Column], TableWords]:
    """Columns and keywords of the table for a schema, or for anything that has one (``.schema``): a stream of record
    batches, a batch, a table of Arrow. ``metadata``: the keys that count; None: all. Raises ``SpecError`` as
    ``arrow_columns``, and where keys contradict each other."""
    schema: Untyped = getattr(source, "schema", source)
    read = read_keys(metadata)
    if not isinstance(schema, Iterable) or not all(
        hasattr(field, "metadata") for field in cast("Iterable[object]", schema)
    ):
        kind = type(source).__name__
        raise SpecError("schema", f"has to be an Arrow schema, or something that has one, not {kind}")
    columns, told = arrow_columns(cast("Iterable[ArrowField]", schema), types_by_field, nullable, read)
    whole = said(getattr(cast("object", schema), "metadata", None), True, "the schema", read)
    fields: TableWords = {}
    engine = engine_in_metadata(whole, told, columns)
    if engine is not None:
        fields["engine"] = engine
    if COMMENT in whole:
        fields["comment"] = whole[COMMENT]
    return columns, fields


def _field_type(field: ArrowField, where: str, nullable: bool, told: str | None = None) -> str:
    """``where``: the field of the stream that it is in. ``told``: the type that metadata say."""
    if told is not None:
        _refuse_date64(field.type, where)
        return told
    kind = _type_of(field.type, where, nullable)
    return nullable_type(kind) if nullable and field.nullable else kind


def _refuse_date64(kind: Untyped, where: str) -> None:
    if "date64" in str(kind):
        raise SpecError(where, _DATE64)


def _type_of(kind: Untyped, where: str, nullable: bool) -> str:
    text = str(kind)
    if text in _PLAIN:
        return _PLAIN[text]
    head = re.split(r"[\[<(]", text, maxsplit=1)[0]
    if head == "timestamp":
        digits = _DIGITS[str(kind.unit)]
        # Arrow's values are moments; the zone says how they are shown. ClickHouse has no zones of an offset alone.
        zone = "UTC" if kind.tz and _OFFSET.match(kind.tz) else kind.tz
        if zone and not _ZONE.match(zone):
            raise SpecError(where, f"{zone!r} is no time zone: say its type with types=")
        zone = f", {quote_string(zone)}" if zone else ""
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
        return f"Array({_field_type(kind.value_field, where, nullable)})"
    if head == "map":
        return f"Map({_type_of(kind.key_type, where, nullable)}, {_field_type(kind.item_field, where, nullable)})"
    if head == "struct":
        parts = [cast("ArrowField", kind.field(place)) for place in range(int(kind.num_fields))]
        types = [_field_type(part, f"{where}.{part.name}", nullable) for part in parts]
        named = [f"{quoted_where_needed(part.name)} {own}" for part, own in zip(parts, types, strict=True)]
        return f"Tuple({', '.join(named)})"
    if head in ("extension", "uuid", "bool8"):
        known = _EXTENSIONS.get(str(kind.extension_name))
        return known or _type_of(kind.storage_type, where, nullable)
    _refuse_date64(kind, where)
    raise SpecError(where, f"the Arrow type {text} has no type in ClickHouse: say one with types=")
