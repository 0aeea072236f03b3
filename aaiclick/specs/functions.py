"""SQL functions of the user: ``CREATE FUNCTION name AS (x, y) -> x * y``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from aaiclick.errors import SpecError
from aaiclick.specs.base import Spec
from aaiclick.sql.ddl import create
from aaiclick.sql.quoting import quote_name


class Function(Spec):
    """An SQL function (CREATE FUNCTION). It belongs to the whole server, not to one database.

    ClickHouse writes the body into each table and view that calls the function. An object that was created with another
    body keeps that until it is changed itself.
    """

    noun: ClassVar[str] = "function"
    name: str
    """Name of the function, unquoted."""
    body: str
    """A lambda, as SQL: ``(price, amount) -> price * amount``."""

    def __init__(self, name: str, body: str) -> None:
        """What each keyword means.

        name: Name of the function, unquoted.
        body: A lambda, as SQL: ``(price, amount) -> price * amount``.
        """
        self._construct(name, {"name": name, "body": body})
        if not name.strip():
            raise SpecError("function", "the name is empty")
        if "->" not in body:
            raise SpecError(f"function {name}", "its body is a lambda, such as x -> x + 1")


def create_function_sql(function: Function, replace: bool = False) -> str:
    """CREATE FUNCTION, or CREATE OR REPLACE FUNCTION."""
    return create("FUNCTION", quote_name(function.name), f"AS {function.body}", or_replace=replace)


def calls(text: str, name: str) -> bool:
    """True where the expression may call the function."""
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}`?\s*\(", text) is not None


def function_order(functions: Sequence[Function]) -> tuple[Function, ...]:
    """The functions in an order in which they can be created: each after those that it calls.

    Raises ``SpecError`` for functions that call each other in a circle: the server accepts them, and a call never
    ends.
    """
    ordered: list[Function] = []
    waiting = list(functions)
    while waiting:
        # A function that calls itself is a circle of one, so it is held against itself, too.
        ready = next((item for item in waiting if not any(calls(item.body, other.name) for other in waiting)), None)
        if ready is None:
            raise SpecError(
                f"function {waiting[0].name}",
                f"these functions call each other in a circle: {', '.join(sorted(item.name for item in waiting))}",
            )
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)
