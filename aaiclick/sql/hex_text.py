"""Text on its way into statements, in forms that every client carries unchanged.

Some clients do not escape bound strings (a tab, newline or backslash in one is refused with code 457), so names and
texts are bound as hexadecimal digits: ``unhex({x:String})``. Long texts stand in the statement itself as digits,
because HTTP clients put parameters into the URL, whose length servers (1 MiB) and proxies (often 8 KiB) limit.
"""

from __future__ import annotations

INSERT_SETTINGS: dict[str, str | int] = {"async_insert": 0}
"""Bookkeeping has to be on disk when its INSERT returns; async inserts are the default of newer servers."""

DEFAULT_QUERY_SIZE = 262144


def hexed(value: str) -> str:
    """What to bind for ``unhex({x:String})``. Bytes that were no UTF-8 (kept as surrogates) come out as they were."""
    return value.encode("utf-8", "surrogateescape").hex().upper()


def hex_literal(value: str) -> str:
    """A String expression of hexadecimal digits; an empty text stays an empty literal."""
    return f"unhex('{hexed(value)}')"


def size_setting(sql: str) -> dict[str, str | int]:
    """``INSERT_SETTINGS``, with room for a statement longer than ``max_query_size`` allows by default."""
    if len(sql) < DEFAULT_QUERY_SIZE // 2:
        return dict(INSERT_SETTINGS)
    return {**INSERT_SETTINGS, "max_query_size": 2 * len(sql) + DEFAULT_QUERY_SIZE}
