"""Writes texts in a form that every client sends unchanged.

Some clients do not escape bound strings, and the server refuses a tab, newline or backslash in one (error 457). So
names and texts are bound as hexadecimal digits: ``unhex({x:String})``. Long texts stand in the statement itself,
because HTTP clients put parameters into the URL, whose length servers (1 MiB) and proxies (often 8 KiB) limit.
"""

from __future__ import annotations

from collections.abc import Iterable

INSERT_SETTINGS: dict[str, str | int] = {"async_insert": 0}
"""Bookkeeping has to be on disk when its INSERT returns; async inserts are the default of newer servers."""

DEFAULT_QUERY_SIZE = 262144
"""``max_query_size`` of a server where nobody has changed it, in bytes."""


def hexed(value: str) -> str:
    """What to bind for ``unhex({x:String})``. Bytes that are no UTF-8 (kept as surrogates) arrive unchanged."""
    return value.encode("utf-8", "surrogateescape").hex().upper()


def hexed_list(values: Iterable[str]) -> str:
    """What to bind for ``splitByChar(',', {x:String})``, whose items are compared as ``hex(name)`` or read by
    ``unhex``: a comma in a name, or a byte that is no UTF-8, would not come through."""
    return ",".join(sorted({hexed(value) for value in values}))


def unhexed(digits: str) -> str:
    """The text that the server shows by ``hex(name)``."""
    return bytes.fromhex(digits).decode("utf-8", "surrogateescape")


def hex_literal(value: str) -> str:
    """A text as an SQL expression of hexadecimal digits."""
    return f"unhex('{hexed(value)}')"


def size_setting(sql: str) -> dict[str, str | int]:
    """``INSERT_SETTINGS``, and a ``max_query_size`` (in bytes) for a statement that is longer than the default."""
    if len(sql) < DEFAULT_QUERY_SIZE // 2:
        return dict(INSERT_SETTINGS)
    return {**INSERT_SETTINGS, "max_query_size": 2 * len(sql) + DEFAULT_QUERY_SIZE}
