"""Explains a wrong declaration: the first problem that pydantic found, as one sentence for its author."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from pydantic import BaseModel, ValidationError

from aaiclick.errors import SpecError

_TYPES = {
    "str": "String",
    "int": "Int64",
    "float": "Float64",
    "bool": "Bool",
    "bytes": "String",
    "date": "Date",
    "datetime": "DateTime64(3, 'UTC')",
    "Decimal": "Decimal(18, 2)",
    "UUID": "UUID",
}
"""ClickHouse types for Python's."""
_ENGINE_FIELDS = ("order_by", "partition_by", "primary_key", "sample_by", "ttl", "settings", "replicated")
_OBJECT_FIELDS = ("tables", "views", "dictionaries", "functions", "families")
_WANTED = {"columns": "Column", "indexes": "Index", "projections": "Projection", "constraints": "Constraint"}
_OBJECTS = "a Table, View, MaterializedView, Dictionary, TableFamily, Function, NamedCollection or Database is wanted"


_SERVER_NOUNS = ("function", "named collection", "database")
"""What the server lists apart: a table may have the name of one of these."""


class _Named(Protocol):
    name: str


def same_name(first: str, second: str) -> str:
    """Why one schema cannot have two objects of one name; ``first`` and ``second`` are the nouns."""
    if first == second:
        return "declared twice"
    if first in _SERVER_NOUNS or second in _SERVER_NOUNS:
        return (
            f"has the name of a {first} of this schema, and what is recorded of a schema goes by name: give one of "
            "them another, or declare it in a Schema of its own"
        )
    return f"has the name of a {first} of this schema, and tables, views and dictionaries share their names"


def spec_error(
    model: type[BaseModel], noun: str, label: object, error: ValidationError, given: Mapping[str, object]
) -> SpecError:
    """The first problem, with the path that a reader of the declaration would use. ``given``: the fields."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause
    head = f"{noun} {label}" if label else noun
    where = list(first["loc"])
    field = str(where[0]) if where else ""
    if first["type"] == "extra_forbidden":
        return SpecError(head, _unknown(model, str(where[-1])))
    value: object = first.get("input")
    whole = given.get(field)
    if first["type"] == "missing":
        return SpecError(head, f"{where[-1]} is missing")
    if isinstance(whole, BaseModel) and len(where) > 1 and isinstance(where[1], int):
        where, value = where[:1], whole  # pydantic takes a model for a list of its fields
        problem = f"a list is wanted: {field}=[{type(whole).__name__}(...)]"
    elif field == "engine" and noun != "database":
        where, problem = where[:1], _engine(value)
    elif field == "objects":
        where, problem = where[:2], _object(value)
    else:
        where = [part for part in where if part not in ("str", "list[str]")]
        problem = _plain(first["type"], field, value) or _lower(first["msg"])
    return SpecError(": ".join([head, *([".".join(map(str, where))] if where else [])]), problem + _shown(value))


def too_many(model: type[BaseModel], noun: str, names: Sequence[str], given: Sequence[object]) -> SpecError:
    """For arguments that need their keyword. ``names``: those that need none."""
    fields = [name for name in model.model_fields if name not in names]
    keywords = [f"{field}=..." for field in fields[: len(given) - len(names)]]
    head = f"{noun} {given[0]}" if names and isinstance(given[0], str) else noun
    call = ", ".join([*names, *keywords])
    return SpecError(head, f"the other arguments go by keyword: {model.__name__}({call})")


def no_utf8(noun: str, label: object, field: str, error: UnicodeEncodeError) -> SpecError:
    """For text that cannot be sent to a server: half of a surrogate pair, such as a file name that is no UTF-8."""
    shown = f"{noun} {label}".rstrip().encode("utf-8", "backslashreplace").decode()
    sign = error.object[error.start]
    problem = f"U+{ord(sign):04X} at character {error.start + 1} is no character of its own and cannot be sent"
    return SpecError(f"{shown}: {field}", problem)


def _unknown(model: type[BaseModel], field: str) -> str:
    known = list(model.model_fields)
    if "objects" in known and field in _OBJECT_FIELDS:
        return f"unknown field {field}: all of them stand in one list, objects=[...]"
    near = difflib.get_close_matches(field, known, n=1)
    if near:
        return f"unknown field {field}, did you mean {near[0]}?"
    if "engine" in known and field in _ENGINE_FIELDS:
        return f"unknown field {field}: it belongs to the engine, engine=MergeTree({field}=...)"
    return f"unknown field {field}; known fields: {', '.join(known)}"


def _plain(kind: str, field: str, value: object) -> str:
    """For values that are no declarations; '' where pydantic's own words are the best."""
    if kind == "string_type":
        return _text(field, value)
    if kind == "list_type":
        if isinstance(value, Mapping) and field == "columns":
            return "a list is wanted: [Column('name', 'String'), ...]"
        return f"a list is wanted: [{value!r}]" if isinstance(value, str) else "a list is wanted"
    if kind == "dict_type":
        return "a dictionary is wanted: {'name': value}"
    if kind == "model_type" and field in _WANTED:
        return f"{_article(_WANTED[field])} is wanted{_as_column(value) if field == 'columns' else ''}"
    return ""


def _text(field: str, value: object) -> str:
    if isinstance(value, type):
        meant = _TYPES.get(value.__name__) if field == "type" else None
        return f"a ClickHouse type as text is wanted: {meant!r}" if meant else "text is wanted"
    if isinstance(value, bool | int | float):
        return f"text is wanted: {str(int(value) if isinstance(value, bool) else value)!r}"
    if type(value).__name__ == "timedelta":
        return "SQL as text is wanted: 'created_at + INTERVAL 30 DAY'"
    if isinstance(value, BaseModel) and "name" in type(value).model_fields:
        return f"its name as text is wanted: {cast('_Named', value).name!r}"
    return "text is wanted"


def _engine(value: object) -> str:
    if isinstance(value, type) and issubclass(value, BaseModel):
        call = f"{value.__name__}(order_by=[...])" if hasattr(value, "engine_name") else f"{value.__name__}('Memory')"
        return f"an engine is wanted, and this is its class: {call}"
    if isinstance(value, str):
        engine = value.partition("(")[0].strip()
        call = f"{engine}(order_by=[...])" if engine.endswith("MergeTree") else f"Engine({value!r})"
        return f"an engine is wanted, and this is text: {call}"
    return "an engine is wanted: MergeTree(order_by=[...]), or Engine('Memory')"


def _object(value: object) -> str:
    if isinstance(value, type) and issubclass(value, BaseModel):
        return f"{_OBJECTS}, and this is a class: {value.__name__}(...)"
    if isinstance(value, str):
        return f"{_OBJECTS}; Table.from_sql takes a CREATE TABLE as text"
    return _OBJECTS


def _as_column(value: object) -> str:
    """``('a', 'String')`` and ``a String`` as a column."""
    parts: Sequence[object] = ()
    if isinstance(value, str):
        parts = value.split(None, 1)
    elif isinstance(value, list | tuple):
        parts = cast("Sequence[object]", value)
    return f": Column({parts[0]!r}, {parts[1]!r})" if len(parts) == 2 and all(isinstance(p, str) for p in parts) else ""


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"


def _lower(said: str) -> str:
    said = said.removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def _shown(value: object) -> str:
    if isinstance(value, type):
        return f" (given: {value.__name__})"
    if isinstance(value, str | int | float | bool):
        return f" (given: {value!r})"
    return "" if value is None else f" (given: {_article(type(value).__name__)})"
