"""The format of results, for clients whose answers this library decodes itself.

``JSONCompactEachRowWithNamesAndTypes`` has names and types in the first two lines, then one JSON array for each row.
Unlike Arrow or Native it needs no package, and it is the same over HTTP and embedded. Unlike the result types of the
drivers it is not limited by a client's ``query_limit``. It needs no setting, so it works for read-only users: a
server may put 64-bit integers into quotes (the default depends on its version), and the line of types tells which
they are. NaN and infinities arrive as NULL.
"""

from __future__ import annotations

import json
from typing import cast

FORMAT = "JSONCompactEachRowWithNamesAndTypes"


def format_of(sql: str) -> str | None:
    """The format that is written behind a query; None for the one kind that takes none: its answer is a number."""
    return None if sql.startswith("CHECK GRANT ") else FORMAT


def decode_rows(body: bytes) -> tuple[tuple[object, ...], ...]:
    """The rows of an answer. Bytes that are no UTF-8 become surrogates. Raises ``ValueError`` for an answer that was
    cut off, or begins with what another one left behind."""
    if not body:
        return ()
    if body.strip().isdigit():  # without a format, and so without a line of types
        return ((int(body),),)
    # Control characters are escaped inside JSON strings, so a newline always ends a row.
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    if lines[-1]:
        raise ValueError("the answer ends in the middle of a row")
    if len(lines) < 3:
        raise ValueError("the answer has no line of types")
    types = cast("list[str]", json.loads(lines[1]))
    rows = cast("list[list[object]]", json.loads(f"[{','.join(lines[2:-1])}]"))
    integers = [position for position, name in enumerate(types) if _is_integer(name)]
    if any(len(row) != len(types) for row in rows):
        raise ValueError("the answer has a row with another number of values than of columns")
    for row in rows:
        for position in integers:
            value = row[position]
            # Whether whole numbers of 64 bits come in quotes is a setting: output_format_json_quote_64bit_integers.
            if isinstance(value, str):
                row[position] = int(value)
    return tuple(tuple(row) for row in rows)


def _is_integer(type_name: str) -> bool:
    inner = type_name.removeprefix("LowCardinality(").removeprefix("Nullable(")
    # IntervalDay begins with Int as well.
    return inner.startswith(("Int", "UInt")) and not inner.startswith("Interval")
