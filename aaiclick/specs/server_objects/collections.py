"""Named collections: keys and values under a name, for what tables, dictionaries and functions read from outside.

A value is a secret, whatever its key. It stands in the declaration and in the statement that is sent, and nowhere else:
it is no part of what a declaration is compared by, written down as, or shown as.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypedDict, cast

from pydantic import Field, PrivateAttr, field_serializer
from typing_extensions import Unpack

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.sql.quoting import is_utf8, quote_string
from aaiclick.sql.secrets import HIDDEN

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_WHOLE = re.compile(r"\$\{\w+\}")
_LARGEST = 2**64 - 1
OVERRIDABLE = "OVERRIDABLE"
NOT_OVERRIDABLE = "NOT OVERRIDABLE"


class NamedCollectionFields(TypedDict, total=False):
    """Keywords of ``NamedCollection``."""

    overridable: list[str]
    """Keys that a query may override, whatever the server's default."""
    not_overridable: list[str]
    """Keys that no query may override, whatever the server's default."""


class NamedCollection(Spec):
    """A named collection (CREATE NAMED COLLECTION). It belongs to the whole server, not to one database.

    Servers do not show values, so keys are compared and values are not. A value that is set by hand stays.
    """

    noun: ClassVar[str] = "named collection"
    name: str
    """Name of the collection, unquoted."""
    keys: dict[str, str | int | float | bool | None]
    """The value of each key. ``${NAME}`` in a text stands for an environment variable, ``$${`` for ``${``. None: the
    key is there, and its value is none of this declaration's business."""
    overridable: list[str] = Field(default_factory=list[str])
    """Keys that a query may override, whatever the server's default."""
    not_overridable: list[str] = Field(default_factory=list[str])
    """Keys that no query may override, whatever the server's default."""
    _values: dict[str, str] = PrivateAttr(default_factory=dict[str, str])
    """The literals of those values that are known."""
    _unknown: dict[str, str] = PrivateAttr(default_factory=dict[str, str])
    """For keys whose value is in the environment and is not known: why, a sentence."""

    def __init__(
        self,
        name: str,
        keys: Mapping[str, str | int | float | bool | None],
        **fields: Unpack[NamedCollectionFields],
    ) -> None:
        """What each keyword means.

        name: Name of the collection, unquoted.
        keys: The value of each key. ``${NAME}`` in a text stands for an environment variable, ``$${`` for ``${``. None:
            the key is there, and its value is none of this declaration's business.
        overridable: Keys that a query may override, whatever the server's default.
        not_overridable: Keys that no query may override, whatever the server's default.
        """
        head = f"named collection {name}"
        if not _are_keys(keys):  # what pydantic says of a wrong field shows it
            wanted = "its keys are a dictionary of texts and numbers: {'url': '...', 'password': '${NAME}'}"
            raise SpecError(head, wanted)
        _check_keys(head, keys)
        self._construct(name, {"name": name, "keys": dict(keys), **fields})
        if not name.strip():
            raise SpecError("named collection", "the name is empty")
        if not keys:
            raise SpecError(head, "has no key, and the server takes none without one")
        for key in (*self.overridable, *self.not_overridable):
            if key not in keys:
                raise SpecError(head, f"{key} is none of its keys")
        for key in self.overridable:
            if key in self.not_overridable:
                raise SpecError(head, f"{key} is overridable and not overridable")
        for key, value in keys.items():
            for variable in _variables(value):
                if not _VARIABLE.fullmatch(variable):
                    raise SpecError(head, f"{key}: write ${{NAME}} for an environment variable, and $${{ for ${{")
        self._resolve({})

    @field_serializer("keys")
    def _without_values(self, keys: dict[str, object]) -> list[str]:
        """Values are neither compared nor written down."""
        return sorted(keys)

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        for field, value in super().__repr_args__():
            yield field, {key: _shown(each) for key, each in self.keys.items()} if field == "keys" else value

    def resolved(self, environment: Mapping[str, str]) -> NamedCollection:
        """The declaration with the values of environment variables; what is not set stays unknown."""
        made = self.model_copy()
        made._resolve(environment)  # noqa: SLF001 - of this class
        return made

    def with_keys(self, keys: Mapping[str, str | int | float | bool | None]) -> NamedCollection:
        """The same collection with other values."""
        return NamedCollection(self.name, keys, overridable=self.overridable, not_overridable=self.not_overridable)

    def _resolve(self, environment: Mapping[str, str]) -> None:
        self._values, self._unknown = {}, {}
        for key, value in self.keys.items():
            if why := _not_there(value, environment):
                self._unknown[key] = f"the value of {key} is in the environment variable {why}"
            elif isinstance(value, str):
                self._values[key] = quote_string(_filled(value, environment))
            elif value is not None:
                self._values[key] = str(value).lower() if isinstance(value, bool) else repr(value)

    @property
    def values(self) -> Mapping[str, str]:
        """The values that are known, as literals of SQL. For the statement that is sent, and nothing else."""
        return self._values

    def unknown(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Why values of these keys cannot be set, a sentence each; empty where all are known."""
        said: list[str] = []
        for key in keys:
            if key in self._unknown:
                said.append(self._unknown[key])
            elif key not in self._values:
                said.append(f"no value is given for {key}")
        return tuple(said)

    def flag(self, key: str) -> str:
        """What is declared of overriding a key: ``OVERRIDABLE``, ``NOT OVERRIDABLE``, or '' for nothing."""
        return OVERRIDABLE if key in self.overridable else NOT_OVERRIDABLE if key in self.not_overridable else ""

    def shown(self, key: str) -> str:
        """The value of a key as a literal that may be printed: an environment variable, or ``[HIDDEN]``."""
        return quote_string(_shown(self.keys[key]))


def _are_keys(given: object) -> bool:
    if not isinstance(given, Mapping):
        return False
    pairs = cast("Mapping[object, object]", given).items()
    return all(isinstance(key, str) and (value is None or isinstance(value, str | int | float)) for key, value in pairs)


def _check_keys(head: str, keys: Mapping[str, object]) -> None:
    """Raise ``SpecError``, without the value, for what no statement can hold: what the server, or a driver, says of
    such a statement shows it."""
    for key, value in keys.items():
        if not key:
            raise SpecError(head, "a key has no name")
        if not is_utf8(key):
            raise SpecError(head, "the name of a key is no UTF-8 and cannot be sent")
        if isinstance(value, str) and not is_utf8(value):
            raise SpecError(head, f"the value of {key} is no UTF-8 and cannot be sent")
        if isinstance(value, str) and HIDDEN in value:
            raise SpecError(head, f"the value of {key} is {HIDDEN}, which is printed in place of a value")
        if isinstance(value, int) and not -(_LARGEST >> 1) - 1 <= value <= _LARGEST:
            raise SpecError(head, f"the value of {key} has more digits than a number of ClickHouse: write it as text")
        if isinstance(value, float) and not math.isfinite(value):
            raise SpecError(head, f"the value of {key} is no finite number: write it as text")


def _not_there(value: object, environment: Mapping[str, str]) -> str:
    """The environment variables without which a value is not known, and why; '' where it is."""
    names = _variables(value)
    if unset := [name for name in names if name not in environment]:
        return f"{', '.join(unset)}, which is not set"
    broken = [name for name in names if not is_utf8(environment[name])]
    return f"{', '.join(broken)}, which is no UTF-8 and cannot be sent" if broken else ""


def _variables(value: object) -> list[str]:
    if not isinstance(value, str):
        return []
    return [found[1] or "" for found in _REFERENCE.finditer(value) if found[0] != "$${"]


def _filled(value: str, environment: Mapping[str, str]) -> str:
    return _REFERENCE.sub(lambda found: "${" if found[0] == "$${" else environment[found[1]], value)


def _shown(value: object) -> str:
    return value if isinstance(value, str) and _WHOLE.fullmatch(value) else HIDDEN
