"""A schema as Python source that, run, gives the same schema. Pure."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping
from typing import cast

from aaiclick.specs.base import Spec
from aaiclick.specs.functions import Function
from aaiclick.specs.schema import Schema
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database

WIDTH = 160
_INDENT = "    "
_POSITIONAL = {
    "Column": ("name", "type"),
    "Table": ("name", "columns"),
    "Projection": ("name", "query"),
    "Engine": ("name", "arguments"),
    "TableFamily": ("pattern",),
    "NamedCollection": ("name", "keys"),
}

_SAID = frozenset({"order_by", "replicated"})
"""Fields in which what is empty is no absence: no sort key has to be said, and ``replicated=""`` is another engine than
none."""

_ELSEWHERE: Mapping[type[Spec], str] = {
    Function: "aaiclick.specs",
    Database: "aaiclick.server_objects",
    NamedCollection: "aaiclick.server_objects",
}
"""Where declarations come from that are no public names of the package itself."""


def python_source(schema: Schema, brief: bool = False) -> str:
    """A module with one constant. Fields that were not set are left out: they stay unmanaged.

    ``brief`` also leaves out what is None or empty: it is then no longer managed either.
    """
    shown = _without_empty(schema) if brief else schema
    if not schema.unsupported:
        shown = shown.model_copy()
        shown.model_fields_set.discard("unsupported")  # that nothing was left out needs no words
    kinds = {type(spec) for spec in _specs(shown)}
    used = sorted(kind.__name__ for kind in kinds if kind not in _ELSEWHERE)
    body = f"{constant_name(schema.name)} = {_call(shown, 0, len(constant_name(schema.name)) + 3)}"
    head = f"from aaiclick import {', '.join(used)}"
    if len(head) > WIDTH:
        head = "from aaiclick import (\n" + "".join(f"{_INDENT}{name},\n" for name in used) + ")"
    more = sorted(f"from {_ELSEWHERE[kind]} import {kind.__name__}" for kind in kinds if kind in _ELSEWHERE)
    return "\n".join([head, *more, "", body, ""])


def constant_name(name: str) -> str:
    """The schema's name in capitals, as far as Python allows."""
    word = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
    return word if word.isidentifier() and not keyword.iskeyword(word) else f"SCHEMA_{word}"


def _without_empty(spec: Spec) -> Spec:
    """The same declaration, with only those fields set that say something."""
    fields = {field: _brief(getattr(spec, field)) for field in spec.model_fields_set if _says(spec, field)}
    return type(spec).model_construct(set(fields), **fields)


def _says(spec: Spec, field: str) -> bool:
    value: object = getattr(spec, field)
    if value is None:
        return False
    return value not in ("", [], {}) or field in _SAID or type(spec).model_fields[field].is_required()


def _brief(value: object) -> object:
    if isinstance(value, Spec):
        return _without_empty(value)
    return [_brief(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


def _specs(value: object) -> Iterable[Spec]:
    if isinstance(value, Spec):
        yield value
        for field in value.model_fields_set:
            yield from _specs(getattr(value, field))
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _specs(item)
    elif isinstance(value, dict):
        for item in cast("dict[object, object]", value).values():
            yield from _specs(item)


def _expression(value: object, depth: int, column: int) -> str:
    """``value`` as source that begins at ``column``; what does not fit on a line is broken after the opening
    bracket."""
    match value:
        case Spec():
            return _call(value, depth, column)
        case list() | tuple():
            parts = [("", item) for item in cast("list[object]", value)]
            return _bracketed("[", parts, "]", depth, column)
        case dict():
            pairs = [(f"{_literal(key)}: ", item) for key, item in cast("dict[object, object]", value).items()]
            return _bracketed("{", pairs, "}", depth, column)
        case _:
            return _literal(value)


def _call(spec: Spec, depth: int, column: int) -> str:
    name = type(spec).__name__
    positional = _POSITIONAL.get(name, ("name",) if "name" in type(spec).model_fields else ())
    # In the order of the fields' declaration, so that the source does not depend on the order of a set.
    keywords = [
        field for field in type(spec).model_fields if field in spec.model_fields_set and field not in positional
    ]
    parts = [("", getattr(spec, field)) for field in positional if field in spec.model_fields_set]
    parts += [(f"{field}=", getattr(spec, field)) for field in keywords]
    return _bracketed(f"{name}(", parts, ")", depth, column)


def _bracketed(opening: str, parts: list[tuple[str, object]], closing: str, depth: int, column: int) -> str:
    flat = opening + ", ".join(prefix + _expression(value, 0, -(10**9)) for prefix, value in parts) + closing
    if column + len(flat) + 1 <= WIDTH or not parts:
        return flat
    inner = _INDENT * (depth + 1)
    lines = [f"{inner}{prefix}{_expression(value, depth + 1, len(inner) + len(prefix))},\n" for prefix, value in parts]
    return f"{opening}\n{''.join(lines)}{_INDENT * depth}{closing}"


def _literal(value: object) -> str:
    """Double quotes where they need no escape."""
    if isinstance(value, str) and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)
