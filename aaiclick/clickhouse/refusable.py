"""Queries that the engine may refuse, where the refusal is an answer too."""

from __future__ import annotations

from aaiclick.clickhouse.statements import ask_permissively
from aaiclick.errors import StatementError
from aaiclick.routine import Query, Routine, Rows


def answered(query: Query) -> Routine[Rows | None]:
    """The rows; None where the engine refuses the question. Raises ``StatementError`` where it was not the engine that
    said so (code 0)."""
    try:
        return (yield from ask_permissively(query))
    except StatementError as error:
        if error.code == 0:
            raise
        return None
