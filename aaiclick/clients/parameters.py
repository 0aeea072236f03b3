"""Rendering of parameters and settings, shared by the adapters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aaiclick.errors import UsageError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f", "\0": "\\0", "'": "\\'"})


def used_parameters(sql: str, parameters: Mapping[str, str | int]) -> dict[str, str | int]:
    """The parameters a statement names. Given others, clickhouse-connect would format the text with ``%`` instead."""
    return {name: value for name, value in parameters.items() if "{" + name + ":" in sql}


def escaped_parameters(sql: str, parameters: Mapping[str, str | int]) -> dict[str, str]:
    """Values as ClickHouse parses bound parameters: tab-separated escaping (chdb passes them on as they are)."""
    return {name: escape(value) if isinstance(value, str) else str(value) for name, value in used_parameters(sql, parameters).items()}


def escape(value: str) -> str:
    """Backslash escapes that ClickHouse reads back in bound parameters and in quoted literals."""
    return value.translate(_ESCAPES)


def set_clause(settings: Mapping[str, str | int]) -> str:
    """``a = '1', b = '2'`` for SET; quoted numbers are accepted for every type of setting."""
    for name in settings:
        if not _NAME.match(name):
            raise UsageError(f"{name!r} is no name of a setting")
    return ", ".join(f"{name} = '{escape(str(value))}'" for name, value in settings.items())


def quote_name(name: str) -> str:
    """An identifier in backquotes."""
    escaped = escape(name).replace("`", "\\`")
    return f"`{escaped}`"
