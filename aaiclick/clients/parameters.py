"""Text of parameters and settings, shared by the adapters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aaiclick.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\0": "\\0", "'": "\\'"}
)


def used_parameters(sql: str, parameters: Mapping[str, str | int]) -> dict[str, str | int]:
    """The parameters that a statement names. With others, clickhouse-connect would format its text with ``%``."""
    return {name: value for name, value in parameters.items() if "{" + name + ":" in sql}


def escaped_parameters(sql: str, parameters: Mapping[str, str | int]) -> dict[str, str]:
    """Values as ClickHouse parses bound parameters: with the escapes of TabSeparated. chdb does not add them itself."""
    return {
        name: escape(value) if isinstance(value, str) else str(value)
        for name, value in used_parameters(sql, parameters).items()
    }


def escape(value: str) -> str:
    """The text with backslash escapes, for bound parameters and quoted literals."""
    return value.translate(_ESCAPES)


def set_clause(settings: Mapping[str, str | int]) -> str:
    """``a = '1', b = '2'`` for SET. A number in quotes is accepted for every type of setting. Raises ``UsageError`` for
    a name that is none."""
    for name in settings:
        if not _NAME.match(name):
            raise UsageError(f"{name!r} is no name of a setting")
    return ", ".join(f"{name} = '{escape(str(value))}'" for name, value in settings.items())
