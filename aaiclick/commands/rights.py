"""Which of the rights that a plan, or a start, needs the user of a connection does not have."""

from __future__ import annotations

from collections.abc import Iterator

from aaiclick.errors import StatementError
from aaiclick.plan.model import Plan
from aaiclick.routine import Query, Routine, number
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import quote_name

# A right on databases whose names begin so holds for this one as well: no name of a run is known yet.
_SCRATCH = "_aaiclick_scratch_any"
_COPIES = ("rebuild", "attach")
_EVERYTHING = ("SELECT", "INSERT", "CREATE TABLE", "DROP TABLE", "ALTER TABLE")
"""Without these nothing is carried out, and no lease is to be had."""


def missing_rights(plan: Plan) -> Routine[tuple[str, ...]]:
    """One sentence for each right that is missing: which part goes another way without it, or does not go at all.

    Nothing is said where the server knows no ``CHECK GRANT`` (before 24.9), or where there is nothing to do.
    """
    said: list[str] = []
    for right, sentence in _needed(plan):
        try:
            rows = yield Query(f"CHECK GRANT {right}")
        # What was said so far stays true. A right that cannot be asked for shows when its statement is sent.
        except StatementError:
            return tuple(said)
        if not number(rows[0][0]):
            said.append(sentence)
    return tuple(said)


def may_write(database: str) -> Routine[bool]:
    """Whether the user may take the lease of a database and write into its bookkeeping. False also where the server
    knows no ``CHECK GRANT`` (before 24.9): nothing is tried there that might be refused."""
    return (yield from _may(f"{', '.join(_EVERYTHING)} ON {quote_name(database)}.*"))


def may_clear(database: str, scratch: str) -> Routine[bool]:
    """Whether the user may also drop this scratch database. False where the server knows no ``CHECK GRANT``."""
    return (yield from _may(f"DROP DATABASE ON {quote_name(scratch)}.*")) and (yield from may_write(database))


def _may(right: str) -> Routine[bool]:
    try:
        rows = yield Query(f"CHECK GRANT {right}")
    except StatementError:
        return False
    # CHECK GRANT answers with 1 or 0.
    return bool(number(rows[0][0]))


def _needed(plan: Plan) -> Iterator[tuple[str, str]]:
    if not plan.steps:
        return
    database = quote_name(plan.database)
    copies = any(step.strategy in _COPIES for step in plan.steps)
    stops = any(sql.startswith(system("STOP VIEW")) for step in plan.steps for sql in step.sql)
    # One by one: the answer to several would not say which of them is missing.
    for right in _EVERYTHING:
        yield (
            f"{right} ON {database}.*",
            (
                f"this user may not {right} in {plan.database}: nothing of this plan can be carried out before that "
                "is granted"
            ),
        )
    yield (
        f"CREATE DATABASE ON {quote_name(_SCRATCH)}.*",
        (
            f"this user may not create databases: tables of the rehearsal are created in {plan.database} instead, "
            "under names that begin with _aaiclick_scratch_"
        ),
    )
    yield (
        "KILL QUERY ON *.*",
        "this user may not KILL QUERY: statements that a killed run left on the server are waited for, not ended",
    )
    if stops:
        yield (
            f"SYSTEM VIEWS ON {database}.*",
            (
                f"this user may not SYSTEM STOP VIEW in {plan.database}: a view that is stopped now and is made anew "
                "is refreshed from then on, and the run ends there with an error"
            ),
        )
    if any(sql.startswith(system("REFRESH VIEW")) for step in plan.steps for sql in step.sql):
        yield (
            f"SYSTEM VIEWS ON {database}.*",
            (
                f"this user may not SYSTEM REFRESH VIEW in {plan.database}: a view that gets another query shows what "
                "the former one gave until its next refresh, and the run ends there with an error"
            ),
        )
    if copies:
        yield (
            f"SYSTEM MERGES ON {database}.*",
            (
                f"this user may not SYSTEM STOP MERGES in {plan.database}: the merges of a table are stopped by its "
                "settings alone while it is copied"
            ),
        )
