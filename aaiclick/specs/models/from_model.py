"""Tables from pydantic models."""

from __future__ import annotations

import enum
import ipaddress
import re
import types
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aaiclick.errors import SpecError
from aaiclick.specs.columns import Column, ColumnFields
from aaiclick.specs.models.defaults import default_sql, holds_nothing
from aaiclick.specs.models.numbers import enum_type, whole_type
from aaiclick.specs.models.scalars import UUID
from aaiclick.sql.quoting import quoted_where_needed
from aaiclick.sql.types import nullable_type

# What may stand behind a field's colon: a class, a generic alias, a union.
Annotation: TypeAlias = Any
_SCALARS: dict[type, str] = {
    bool: "Bool",
    int: "Int64",
    float: "Float64",
    str: "String",
    bytes: "String",
    # Before the day: it is one as well.
    datetime: "DateTime64(6, 'UTC')",
    date: "Date32",
    time: "Time64(6)",
    UUID: "UUID",
    ipaddress.IPv4Address: "IPv4",
    ipaddress.IPv6Address: "IPv6",
}
_ARRAYS = (list, set, frozenset)


def model_columns(model: type[BaseModel], types_by_field: Mapping[str, str] | None = None) -> list[Column]:
    """A column for each field of a model: its type, its default, its description as comment. A default that a function
    makes (``default_factory``) is none of the column.

    ``types_by_field`` gives another type for single fields. Bounds choose the width of an integer (``ge=0, le=255`` is
    UInt8), ``max_digits`` and ``decimal_places`` a Decimal.

    Raises ``SpecError`` where ClickHouse has no type for a field, or the type does not hold the default.
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
        if info.default is None and name not in given and not holds_nothing(kind):
            raise SpecError(where, f"its default is None, which {kind} does not hold: write the type with | None")
        default = None if info.default is PydanticUndefined else default_sql(info.default, kind, where)
        if default is not None:
            fields["default"] = default
        if info.description:
            fields["comment"] = info.description
        columns.append(Column(name, kind, **fields))
    return columns


def table_name(model: type[BaseModel]) -> str:
    """``HttpRequest`` is ``http_request``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model.__name__).lower()


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
    if annotation is dict or (origin is dict and arguments[0] is str and arguments[1] in (Any, object)):
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
        return enum_type(annotation, where)
    if issubclass(annotation, Decimal):
        return _decimal(metadata, where)
    if issubclass(annotation, int) and annotation is not bool:
        return _integer(metadata, where)
    if issubclass(annotation, timedelta):
        raise SpecError(
            where,
            "a timedelta has no type of its own in ClickHouse: say with types= in which unit it is kept (Int64, "
            "IntervalSecond)",
        )
    if issubclass(annotation, datetime) and hasattr(annotation, "nanosecond"):
        # A Timestamp of pandas has three digits more.
        return "DateTime64(9, 'UTC')"
    # An interface is an address with the length of its network, which no type for addresses keeps.
    interface = issubclass(annotation, ipaddress.IPv4Interface | ipaddress.IPv6Interface)
    found = (
        None if interface else next((kind for known, kind in _SCALARS.items() if issubclass(annotation, known)), None)
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


def _decimal(metadata: tuple[object, ...], where: str) -> str:
    digits = next((found for part in metadata if isinstance(found := getattr(part, "max_digits", None), int)), None)
    places = next((found for part in metadata if isinstance(found := getattr(part, "decimal_places", None), int)), None)
    if digits is None or places is None:
        raise SpecError(where, "a Decimal needs max_digits and decimal_places")
    return f"Decimal({digits}, {places})"


def _integer(metadata: tuple[object, ...], where: str) -> str:
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
        return whole_type(min(low, 0), 2**63 - 1, where) if low < 0 else whole_type(0, max(low, 2**64 - 1), where)
    return whole_type(low, high, where)
