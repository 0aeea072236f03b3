"""Tables from pydantic models, and models from tables."""

from __future__ import annotations

import enum
import ipaddress
import math
import re
import types
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, TypeAlias, Union, cast, get_args, get_origin

import annotated_types
from pydantic import UUID4, BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aaiclick.errors import SpecError
from aaiclick.specs.columns import Column, ColumnFields
from aaiclick.sql.quoting import quote_string, quoted_where_needed
from aaiclick.sql.types import TypeText, named, nullable_type, unwrapped

# What may stand behind a field's colon: a class, a generic alias, a union.
Annotation: TypeAlias = Any
# The class alone: its module also makes random ones, which nothing here does.
_UUID: type = get_args(UUID4)[0]
_SCALARS: dict[type, str] = {
    bool: "Bool",
    int: "Int64",
    float: "Float64",
    str: "String",
    bytes: "String",
    date: "Date32",
    datetime: "DateTime64(6, 'UTC')",
    time: "Time64(6)",
    _UUID: "UUID",
    ipaddress.IPv4Address: "IPv4",
    ipaddress.IPv6Address: "IPv6",
}
_ARRAYS = (list, set, frozenset)
_WIDTHS = (8, 16, 32, 64, 128, 256)
_INTEGERS = re.compile(r"U?Int(\d+)\Z")
_PYTHON: dict[str, object] = {
    "Bool": bool,
    "String": str,
    "FixedString": str,
    "Enum8": str,
    "Enum16": str,
    "Float32": float,
    "Float64": float,
    "BFloat16": float,
    "Decimal": Decimal,
    "Date": date,
    "Date32": date,
    "DateTime": datetime,
    "DateTime64": datetime,
    "Time": time,
    "Time64": time,
    "UUID": _UUID,
    "IPv4": ipaddress.IPv4Address,
    "IPv6": ipaddress.IPv6Address,
}


def model_columns(model: type[BaseModel], types_by_field: Mapping[str, str] | None = None) -> list[Column]:
    """A column for each field of a model: its type, its default where that is a plain value, its description as
    comment.

    ``types_by_field`` gives another type for single fields. Bounds choose the width of an integer (``ge=0, le=255`` is
    UInt8), ``max_digits`` and ``decimal_places`` a Decimal.

    Raises ``SpecError`` where ClickHouse has no type for a field.
    """
    given = dict(types_by_field or {})
    unknown = sorted(set(given) - set(model.model_fields))
    if unknown:
        raise SpecError(f"model {model.__name__}: types", f"unknown field {unknown[0]}")
    columns: list[Column] = []
    for name, info in model.model_fields.items():
        where = f"model {model.__name__}: {name}"
        kind = given.get(name) or _type_of(info.annotation, tuple(info.metadata), where)
        fields: ColumnFields = {}
        default = _literal(info.default)
        if default is not None:
            fields["default"] = default
        if info.description:
            fields["comment"] = info.description
        columns.append(Column(name, kind, **fields))
    return columns


def table_name(model: type[BaseModel]) -> str:
    """``HttpRequest`` is ``http_request``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model.__name__).lower()


def columns_model(name: str, columns: list[Column]) -> type[BaseModel]:
    """A model with a field for each column that an INSERT can name. A column with a DEFAULT may be left out; NULL is
    None. Where no field can be called like the column, the field has the column's name as its alias."""
    fields: dict[str, tuple[Annotation, bool, str | None]] = {}
    for column in columns:
        if column.kind in ("MATERIALIZED", "ALIAS"):
            continue
        kind = _python(column.type)
        optional = bool(column.kind) or type(None) in get_args(kind)
        fields[column.name] = (_or_none(kind) if column.kind else kind, optional, column.comment)
    return _model(name, fields)


def _model(name: str, fields: Mapping[str, tuple[Annotation, bool, str | None]]) -> type[BaseModel]:
    """``fields``: for each column its type, whether it may be left out, and what is said of it."""
    made: dict[str, Any] = {}
    for column, (kind, optional, comment) in fields.items():
        field = column.lstrip("_") or "column"
        # Pydantic takes no field like ``_id``, and one like ``copy`` or ``json`` would hide a method of every model.
        while hasattr(BaseModel, field) or (field != column and (field in fields or field in made)):
            field += "_"
        alias = column if field != column else None
        made[field] = (kind, Field(default=None if optional else ..., description=comment, alias=alias))
    # Releases before 2.11 do not know the last one: there it is model_dump(by_alias=True).
    config = ConfigDict(protected_namespaces=(), populate_by_name=True, serialize_by_alias=True)
    return create_model(name, __config__=config, **made)


def _type_of(annotation: object, metadata: tuple[object, ...], where: str) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = tuple(
            part for item in arguments[1:] for part in (item.metadata if isinstance(item, FieldInfo) else (item,))
        )
        return _type_of(arguments[0], (*metadata, *inner), where)
    if origin is Union or origin is types.UnionType:
        return _union(arguments, metadata, where)
    if origin is Literal:
        return _literal_type(arguments, where)
    if annotation is tuple or any(annotation is kind for kind in _ARRAYS):
        raise SpecError(where, "say what it holds (list[int], tuple[str, ...])")
    if origin in _ARRAYS or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return f"Array({_type_of(arguments[0], (), where)})"
    if origin is tuple:
        return f"Tuple({', '.join(_type_of(part, (), where) for part in arguments)})"
    if annotation is dict or (origin is dict and arguments[1] in (Any, object)):
        return "JSON"
    if origin is dict:
        return f"Map({_type_of(arguments[0], (), where)}, {_type_of(arguments[1], (), where)})"
    if isinstance(annotation, type):
        return _class_type(annotation, metadata, where)
    raise SpecError(where, f"{annotation!r} has no type in ClickHouse: say one with types=")


def _class_type(annotation: type, metadata: tuple[object, ...], where: str) -> str:
    if issubclass(annotation, BaseModel):
        inner = (
            (name, _type_of(info.annotation, tuple(info.metadata), f"{where}.{name}"))
            for name, info in annotation.model_fields.items()
        )
        return f"Tuple({', '.join(f'{quoted_where_needed(name)} {kind}' for name, kind in inner)})"
    if issubclass(annotation, enum.Enum):
        return _enum(annotation)
    if annotation is Decimal:
        return _decimal(metadata, where)
    if annotation is int:
        return _integer(metadata)
    if annotation is timedelta:
        raise SpecError(
            where,
            "a timedelta has no type of its own in ClickHouse: say with types= in which unit it is kept (Int64, "
            "IntervalSecond)",
        )
    # The very class first: a bool is an int as well, and a datetime is a date.
    found = next((kind for known, kind in _SCALARS.items() if annotation is known), None)
    if found is None:
        found = next(
            (kind for known, kind in _SCALARS.items() if known is not bool and issubclass(annotation, known)), None
        )
    if found is None:
        raise SpecError(where, f"{annotation.__name__} has no type in ClickHouse: say one with types=")
    return found


def _union(arguments: tuple[object, ...], metadata: tuple[object, ...], where: str) -> str:
    kinds = list(dict.fromkeys(_type_of(part, metadata, where) for part in arguments if part is not type(None)))
    if len(kinds) > 1:
        # Sorted, because ClickHouse sorts the types of a Variant.
        return f"Variant({', '.join(sorted(kinds))})"
    return nullable_type(kinds[0]) if type(None) in arguments else kinds[0]


def _literal_type(values: tuple[object, ...], where: str) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    known: dict[object, str] = {str: "LowCardinality(String)", int: "Int64", bool: "Bool"}
    if len(kinds) != 1 or next(iter(kinds)) not in known:
        raise SpecError(where, "a Literal of values of one kind is needed: say a type with types=")
    kind = known[next(iter(kinds))]
    return nullable_type(kind) if None in values else kind


def _enum(annotation: type[enum.Enum]) -> str:
    """An Enum for members with numbers. Members with texts become LowCardinality(String): an Enum of them would be
    renumbered whenever a member is inserted."""
    values = [(str(member.name), cast("object", member.value)) for member in annotation]
    numbers = [(name, value) for name, value in values if isinstance(value, int) and -(2**15) <= value < 2**15]
    if not values or len(numbers) != len(values):
        return "LowCardinality(String)" if all(isinstance(value, str) for _, value in values) else "Int64"
    wide = any(not -128 <= value < 128 for _, value in numbers)
    members = (f"{quote_string(name)} = {value}" for name, value in sorted(numbers, key=lambda pair: pair[1]))
    return f"Enum{16 if wide else 8}({', '.join(members)})"


def _decimal(metadata: tuple[object, ...], where: str) -> str:
    digits = next((found for part in metadata if isinstance(found := getattr(part, "max_digits", None), int)), None)
    places = next((found for part in metadata if isinstance(found := getattr(part, "decimal_places", None), int)), None)
    if digits is None or places is None:
        raise SpecError(where, "a Decimal needs max_digits and decimal_places")
    return f"Decimal({digits}, {places})"


def _integer(metadata: tuple[object, ...]) -> str:
    low, high = None, None
    for part in metadata:
        if isinstance(part, annotated_types.Ge) and isinstance(part.ge, int):
            low = part.ge
        elif isinstance(part, annotated_types.Gt) and isinstance(part.gt, int):
            low = part.gt + 1
        elif isinstance(part, annotated_types.Le) and isinstance(part.le, int):
            high = part.le
        elif isinstance(part, annotated_types.Lt) and isinstance(part.lt, int):
            high = part.lt - 1
    if low is None:
        return "Int64"
    if high is None:
        return "UInt64" if low >= 0 else "Int64"
    if low >= 0:
        return f"UInt{next((width for width in _WIDTHS if high < 2**width), 256)}"
    return f"Int{next((width for width in _WIDTHS if low >= -(2 ** (width - 1)) and high < 2 ** (width - 1)), 256)}"


def _literal(value: object) -> str | None:
    """A plain default as SQL; None where it is none, or not plain."""
    if value is PydanticUndefined or value is None:
        return None
    if isinstance(value, bool):
        # Before the numbers: True is an int as well.
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return quote_string(value.value if isinstance(value.value, str) else value.name)
    if isinstance(value, int | Decimal) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return quote_string(value) if isinstance(value, str) else None


def _python(type_text: str) -> Annotation:
    found, nullable = unwrapped(type_text)
    kind = _plain_python(found)
    return _or_none(kind) if nullable else kind


def _or_none(kind: Annotation) -> Annotation:
    return Optional[kind]  # noqa: UP045 - of a type that is only known at run time


def _plain_python(found: TypeText) -> Annotation:
    if _INTEGERS.match(found.name) or found.name.startswith("Interval"):
        return int
    if found.name.startswith("Decimal"):
        return Decimal
    match found.name:
        case "Array" | "Nested":
            inner = f"Tuple({', '.join(found.arguments)})" if found.name == "Nested" else found.arguments[0]
            return types.GenericAlias(list, (_python(inner),))
        case "Map":
            return types.GenericAlias(dict, (_python(found.arguments[0]), _python(found.arguments[1])))
        case "Tuple":
            parts = [named(argument) for argument in found.arguments]
            if parts and all(name for name, _ in parts):
                return _model("Tuple", {name: (_python(kind), False, None) for name, kind in parts})
            return types.GenericAlias(tuple, tuple(_python(kind) for _, kind in parts))
        case "JSON" | "Object":
            return dict[str, Any]
        case _:
            return _PYTHON.get(found.name, Any)
