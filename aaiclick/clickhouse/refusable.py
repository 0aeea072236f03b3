"""Queries that the engine may refuse, where the refusal is an answer too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from aaiclick.clickhouse.statements import ask_permissively
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, Rows

T = TypeVar("T")


def rows_or_refusal(query: Query) -> Routine[Rows | None]:
    """The rows; None where the engine refuses the question. Raises ``StatementError`` where it was not the engine that
    said so (code 0)."""
    try:
        return (yield from ask_permissively(query))
    except StatementError as error:
        if error.code == 0:
            raise
        return None


def refusals(items: Sequence[T], ask: Callable[[Sequence[T]], Routine[str]]) -> Routine[tuple[tuple[T, str], ...]]:
    """Each item with why the server refuses it, '' where it does not.

    ``ask``: puts one question about some of them, and gives why that is refused. About all of them first: only where
    that is refused, one question for each tells which.
    """
    problem = (yield from ask(items)) if items else ""
    if not problem or len(items) == 1:
        return tuple((item, problem) for item in items)
    found: list[tuple[T, str]] = []
    for item in items:
        found.append((item, (yield from ask([item]))))
    return tuple(found)
