"""What differs between installs of one version: the days of a TTL, a storage policy. See ``Variable``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, cast

from typing_extensions import Self

from aaiclick.errors import SpecError, UsageError
from aaiclick.specs.base import Spec
from aaiclick.specs.engines import MergeTree
from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.sql_objects import SqlObject

__all__ = ["Variable"]

PREFIX = "AAICLICK_VAR_"
"""An install gives ``ttl_days`` as the environment variable ``AAICLICK_VAR_TTL_DAYS``."""
PLACES = frozenset({"ttl", "settings", "codec", "comment", "arguments"})
"""Fields of a declaration that may hold a variable: what differs there loses no meaning of the table."""
_SETTINGS = ("engine", "settings")
_NAME = re.compile(r"[a-z][a-z_]*\Z")
_HOLE = re.compile(r"\{([a-z][a-z_]*)\}")
_TEXT = re.compile(r"[\w .:/+-]*\Z")

Value = int | str
S = TypeVar("S", bound=Spec)


class Variable(str):
    """A value that each install may give for itself, within one version of the schema.

    It stands in a TTL, in SETTINGS, in a codec, in a comment or in the arguments of an engine, and is a text there:
    ``ttl=f"created_at + INTERVAL {DAYS} DAY"``, ``settings={"storage_policy": POLICY}``. List it in
    ``Schema(variables=[DAYS])``. An install gives a value by ``AAICLICK_VAR_<NAME>``, by ``schema.given(name=value)``,
    or in the configuration of the command line; else ``default`` counts.

    Raises ``SpecError`` for a name that is no word in small letters, and for a default that is none of ``choices``.
    """

    __slots__ = ("choices", "default", "name")
    name: str
    """How it is called: ``ttl_days``."""
    default: Value
    """What counts where nobody gives a value. Whole numbers stay whole numbers."""
    choices: tuple[Value, ...]
    """The values that it may have; empty for any. Where it stands in a TTL or a codec, a text needs them."""

    def __new__(cls, name: str, default: Value, choices: Sequence[Value] = ()) -> Self:
        """``name``: a word in small letters. ``default``: a whole number or a text. ``choices``: all values that it may
        have; left out: any."""
        head = f"variable {name}"
        if not _NAME.match(name):
            raise SpecError(head, "a variable's name is a word in small letters: ttl_days")
        # Not isinstance(): True is an int as well, and a Variable a str.
        if type(default) not in (int, str):
            raise SpecError(head, f"its default is a whole number or a text, not {default!r}")
        if choices and default not in choices:
            raise SpecError(head, f"its default {default!r} is none of its choices")
        self = super().__new__(cls, f"{{{name}}}")
        self.name, self.default, self.choices = name, default, tuple(choices)
        for value in (default, *choices):
            self.read(value, "its declaration")
        return self

    def __getnewargs__(self) -> tuple[str, Value, tuple[Value, ...]]:  # type: ignore[override]
        return self.name, self.default, self.choices

    def read(self, value: object, origin: str) -> Value:
        """The value, as it was given. Raises ``UsageError`` that names ``origin`` where it is none."""
        found: Value
        if isinstance(self.default, int):
            text = str(value).strip()
            if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,30}", text):
                raise UsageError(f"variable {self.name} is {value!r} ({origin}): write a whole number")
            found = int(text)
        else:
            found = str(value)
            if not _TEXT.match(found):
                # It becomes a part of statements: nothing in it may end a text, or begin something else.
                raise UsageError(
                    f"variable {self.name} is {value!r} ({origin}): it may hold letters, digits, spaces and . : / + - _"
                )
        if self.choices and found not in self.choices:
            raise UsageError(
                f"variable {self.name} is {value!r} ({origin}): it is one of "
                f"{', '.join(str(choice) for choice in self.choices)}"
            )
        return found


def values_of(
    variables: Sequence[Variable], given: Mapping[str, Value], environment: Mapping[str, str]
) -> dict[str, Value]:
    """The value of each variable: what was given, else the environment's, else the default. Raises ``UsageError``."""
    found: dict[str, Value] = {}
    for variable in variables:
        key = PREFIX + variable.name.upper()
        if variable.name in given:
            # What code says goes before what stands in the environment of its process.
            found[variable.name] = variable.read(given[variable.name], "given")
        elif environment.get(key):
            found[variable.name] = variable.read(environment[key], key)
        else:
            found[variable.name] = variable.default
    return found


def check_places(item: Spec, names: frozenset[str]) -> None:
    """Raise ``SpecError`` where a variable stands where none may, or one is used that is not listed."""
    if isinstance(item, SqlObject | NamedCollection):  # values of a collection take ${NAME}
        return
    head = f"{item.noun} {getattr(item, 'name', '')}".strip()
    for path, text in _texts(item):
        place, where = _place(path), ".".join(path)
        for name in _HOLE.findall(text):
            if name in names and place not in PLACES:
                raise SpecError(
                    head,
                    f"{where} uses the variable {name}: one may stand in a TTL, SETTINGS, a codec, a comment or an "
                    "engine's arguments",
                )
            # Elsewhere braces may mean a macro of the server; a MergeTree's settings have none.
            if name not in names and (place in ("ttl", "codec") or (path[:2] == _SETTINGS and _is_merge_tree(item))):
                raise SpecError(
                    head, f"{where} uses {{{name}}}: list it in the schema, variables=[Variable('{name}', ...)]"
                )


def _is_merge_tree(item: Spec) -> bool:
    engine = getattr(item, "engine", None)
    return isinstance(engine, MergeTree) or str(getattr(engine, "name", "")).endswith("MergeTree")


def substituted(item: S, values: Mapping[str, Value], in_settings: Mapping[str, Value] | None = None) -> S:
    """The declaration with these values. ``in_settings``: other ones for SETTINGS; None: the same."""
    if isinstance(item, NamedCollection):
        return item
    if isinstance(item, SqlObject):
        text = _filled(item.sql, values)
        return item if text == item.sql else item.model_copy(update={"sql": text})
    return _spec(item, values, values if in_settings is None else in_settings)


def varying(item: Spec, names: frozenset[str]) -> frozenset[str]:
    """The clauses of a declaration that hold a variable: ``ttl``, ``settings.storage_policy``, ``created_at.ttl``;
    ``*`` for one that is declared as SQL, where any clause may."""
    if isinstance(item, NamedCollection):
        return frozenset()
    if isinstance(item, SqlObject):
        return frozenset({"*"}) if any(name in names for name in _HOLE.findall(item.sql)) else frozenset()
    return frozenset(_clause(path) for path, text in _texts(item) if any(name in names for name in _HOLE.findall(text)))


def _spec(item: S, values: Mapping[str, Value], settings: Mapping[str, Value]) -> S:
    changed: dict[str, object] = {}
    for field in item.model_fields_set:
        old = getattr(item, field)
        new = _value(old, settings if field == "settings" else values, settings)
        if new is not old:
            changed[field] = new
    return item.model_copy(update=changed) if changed else item


def _value(value: object, values: Mapping[str, Value], settings: Mapping[str, Value]) -> object:
    match value:
        case str():
            # Alone in its place, a whole number stays one: as the value of a setting it must not become a text.
            whole = _HOLE.fullmatch(value)
            if whole is not None and whole[1] in values:
                return values[whole[1]]
            return _filled(value, values) if "{" in value else value
        case Spec():
            return _spec(value, values, settings)
        case list():
            parts = cast("list[object]", value)
            made = [_value(part, values, settings) for part in parts]
            return made if any(new is not old for new, old in zip(made, parts, strict=True)) else parts
        case dict():
            fields = cast("dict[str, object]", value)
            held = {name: _value(part, values, settings) for name, part in fields.items()}
            return held if any(held[name] is not part for name, part in fields.items()) else fields
        case _:
            return value


def _filled(text: str, values: Mapping[str, Value]) -> str:
    return _HOLE.sub(lambda hole: str(values.get(hole[1], hole[0])), text)


def _texts(spec: Spec, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a declaration, with the way to it: ``("columns", "at", "ttl")``, ``("engine", "settings",
    "storage_policy")``."""
    for field in sorted(spec.model_fields_set):
        yield from _within(getattr(spec, field), (*path, field))


def _within(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    match value:
        case str():
            yield path, value
        case Spec():
            yield from _texts(value, path)
        case list():
            for part in cast("list[object]", value):
                name = getattr(part, "name", None)
                yield from _within(part, (*path, name) if isinstance(name, str) else path)
        case dict():
            for key, part in cast("dict[str, object]", value).items():
                yield from _within(part, (*path, key))
        case _:
            return


def _place(path: tuple[str, ...]) -> str:
    """The field that holds a text."""
    depth = {"columns": 2, "engine": 1}.get(path[0], 0)
    return path[depth] if len(path) > depth else path[-1]


def _clause(path: tuple[str, ...]) -> str:
    """How the lock file calls it: ``ttl``, ``at.ttl``; a setting with its name."""
    return ".".join(path[1:] if path[0] in ("columns", "engine") else path)
