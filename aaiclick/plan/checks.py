"""Counting what stands in the way, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence

from aaiclick.errors import StatementError
from aaiclick.plan.changes.base import Change, DataCheck
from aaiclick.routine import Query, Routine, number, text


def blocked_by(table: str, changes: Sequence[Change]) -> Routine[str]:
    """'' or a sentence with count and example for each check that found rows. ``table`` is the quoted live name.

    Writers can still race this count: what fails then is recovered by the strategy.
    """
    found: list[str] = []
    for check in [check for change in changes for check in change.checks]:
        problem = yield from _count(table, check)
        if problem:
            found.append(problem)
    return "; ".join(found)


def _count(table: str, check: DataCheck) -> Routine[str]:
    try:
        rows = yield Query(f"SELECT count() FROM {table} WHERE {check.condition}")
        count = number(rows[0][0])
        if count == 0:
            return ""
        example = yield from _example(table, check)
    except StatementError as error:
        if error.code == 0:
            raise
        return f"rows {check.problem} (the engine: {first_line(str(error))})"
    return f"{count:,} rows {check.problem}, for instance {example}"


def _example(table: str, check: DataCheck) -> Routine[str]:
    rows = yield Query(f"SELECT toString(tuple({check.example})) FROM {table} WHERE {check.condition} LIMIT 1")
    shown = text(rows[0][0]) if rows else ""
    return shown if len(shown) <= 200 else f"{shown[:197]}..."


def first_line(message: str) -> str:
    """The first line of a server's message, without its stack and version."""
    return message.strip().splitlines()[0][:300] if message.strip() else message
