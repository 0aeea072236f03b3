"""CREATE of a missing object."""

from __future__ import annotations

from aaiclick.apply.options import Done
from aaiclick.apply.staging import send_create
from aaiclick.apply.statements import CREATE, merged
from aaiclick.plan.work import CreateWork
from aaiclick.routine import Command, Routine


def apply_create(work: CreateWork, database: str) -> Routine[Done]:
    """Send it. Raises StatementError 57 where somebody else has made the object meanwhile."""
    yield from send_create(Command(work.sql, settings=merged(CREATE, dict(work.settings)), database=database), database)
    return Done()
