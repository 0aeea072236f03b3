"""Models of a row, from tables."""

from __future__ import annotations

import ipaddress
import re
import types
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Optional, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model

from aaiclick.specs.columns import Column
from aaiclick.specs.models.scalars import UUID
from aaiclick.sql.types import TypeText, element_name, unwrapped

# What may stand behind a field's colon: a class, a generic alias, a union.
Annotation: TypeAlias = Any
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
    "UUID": UUID,
    "IPv4": ipaddress.IPv4Address,
    "IPv6": ipaddress.IPv6Address,
}


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
            parts = [element_name(argument) for argument in found.arguments]
            if parts and all(name for name, _ in parts):
                return _model("Tuple", {name: (_python(kind), False, None) for name, kind in parts})
            return types.GenericAlias(tuple, tuple(_python(kind) for _, kind in parts))
        case "JSON" | "Object":
            return dict[str, Any]
        case _:
            return _PYTHON.get(found.name, Any)
