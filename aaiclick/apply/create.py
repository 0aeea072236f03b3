"""CREATE of a missing object."""

from __future__ import annotations

from aaiclick.apply.run import Done
from aaiclick.catalog.scratch_objects import formatted
from aaiclick.catalog.server_objects.functions import read_functions
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.statements import CREATE, ddl, merged, send, send_permissively
from aaiclick.error_codes import ACCESS_DENIED, FUNCTION_ALREADY_EXISTS
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import CreateWork
from aaiclick.routine import Command, Routine
from aaiclick.sql.cluster import head_of


def apply_create(work: CreateWork, database: str) -> Routine[Done]:
    """Send it. Raises StatementError 57 where somebody else has made the object meanwhile, and ApplyError where it
    cannot be loaded."""
    # Without IF NOT EXISTS: an object that somebody else made meanwhile is not taken for the declared one.
    try:
        yield from send_permissively(Command(work.sql, settings=merged(CREATE, dict(work.settings)), database=database))
    except StatementError as error:
        # A function is the server's, and a lease that of one database: another database's run may have made the same.
        if error.code != FUNCTION_ALREADY_EXISTS or not (yield from _is_made(work.sql)):
            raise
    if work.load:
        yield from _load(work, database)
    return Done()


def _is_made(sql: str) -> Routine[bool]:
    """Whether the function is there as this statement makes it, by the engine's own text."""
    head = head_of(sql)
    name = head.names[0][-1] if head is not None else ""
    live = (yield from read_functions([name])).get(name)
    return live is not None and live.text == (yield from formatted(sql))


def _load(work: CreateWork, database: str) -> Routine[None]:
    try:
        yield from send(Command(work.load, database=database))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        if error.code == ACCESS_DENIED:
            return  # who may make it need not be allowed to load it
        # CREATE DICTIONARY succeeds without loading anything. Left there, it would be found as declared by the next
        # start, and every dictGet would fail.
        yield from ddl(work.undo)
        raise ApplyError(
            f"it was made, but cannot be loaded: {first_line(str(error))}. It was dropped again"
        ) from error
