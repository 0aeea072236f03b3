"""Objects without rows of their own, replaced by their statements."""

from __future__ import annotations

from functools import partial

from aaiclick.apply.run import Done
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.statements import CREATE, merged, send_permissively
from aaiclick.error_codes import ACCESS_DENIED
from aaiclick.errors import ApplyError, OutcomeUnknownError, StatementError
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Command, Routine
from aaiclick.sql.ddl import create, system


def apply_replace(work: ReplaceWork, database: str) -> Routine[Done]:
    """Send them in order; each can be sent again after a crash. Raises ApplyError where a dictionary could not be
    loaded as it is declared."""
    if work.trial:
        # First: the engine replaces a dictionary without loading it, and a later start would find what is declared.
        yield from with_scratch(partial(_try, work), fallback=database)
    # A kill between two of them leaves a definition that is not as declared: the next plan has the step again.
    for sql in work.statements:
        # What is there already may hold types that this user's settings do not let anybody create.
        command = Command(sql, settings=merged(CREATE, dict(work.settings)), database=database)
        yield from send_permissively(command)
    return Done()


def _try(work: ReplaceWork, scratch: Scratch) -> Routine[None]:
    name = scratch.sql_name("trial")
    try:
        yield Command(
            create("DICTIONARY", name, work.trial.removeprefix(" ")), settings=merged(CREATE, dict(work.settings))
        )
        # CREATE DICTIONARY succeeds without reading its source: only this shows whether it can be loaded.
        yield Command(system("RELOAD DICTIONARY", name))
    except OutcomeUnknownError:
        raise
    except StatementError as error:
        if error.code != ACCESS_DENIED:  # who may replace it need not be allowed to load it, or to make another one
            raise ApplyError(
                f"it cannot be loaded as it is declared: {first_line(str(error))}. It stays as it was"
            ) from error
