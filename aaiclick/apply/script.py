"""Sends the statements of a migration, one by one."""

from __future__ import annotations

from aaiclick.apply.run import Done
from aaiclick.clickhouse.statements import ONCE, send
from aaiclick.plan.operations import SqlWork
from aaiclick.routine import Command, Routine

# Users write these for their own server; only waiting for the outcome and writing at once are not left to its defaults.
SETTINGS: dict[str, str | int] = {"alter_sync": 2, "mutations_sync": 2, "async_insert": 0, "lock_acquire_timeout": 120}


def apply_sql(work: SqlWork, database: str) -> Routine[Done]:
    """Send them in order, with ``database`` as the current one."""
    for sql in work.statements:
        yield from send(Command(sql, settings=SETTINGS, database=database, long=True), ONCE)
    return Done()
