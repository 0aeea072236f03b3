"""Drops what was asked for by name."""

from __future__ import annotations

from aaiclick.apply.run import Done
from aaiclick.clickhouse.statements import DDL, send
from aaiclick.error_codes import NAMED_COLLECTION_DOESNT_EXIST, UNKNOWN_FUNCTION
from aaiclick.errors import StatementError
from aaiclick.plan.operations import DropWork
from aaiclick.routine import Command, Routine


def apply_drop(work: DropWork, database: str) -> Routine[Done]:
    """Send it. A table above the server's ``max_table_size_to_drop`` is refused with the server's own words: that limit
    is the operator's."""
    # Killed behind it, nothing is left to do: the next plan finds the object gone, and has no such step.
    try:
        yield from send(Command(work.sql, settings=DDL, database=database))
    except StatementError as error:
        # Functions and collections are the server's, and a lease that of one database: another database's run may have
        # dropped it in between.
        if error.code not in (UNKNOWN_FUNCTION, NAMED_COLLECTION_DOESNT_EXIST):
            raise
    return Done()
