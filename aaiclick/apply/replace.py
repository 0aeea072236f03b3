"""Objects without rows of their own, replaced by their statements."""

from __future__ import annotations

from aaiclick.apply.run import Done
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Command, Routine
from aaiclick.server.statements import CREATE, merged, send


def apply_replace(work: ReplaceWork, database: str) -> Routine[Done]:
    """Send them in order; each can be sent again after a crash."""
    for sql in work.statements:
        yield from send(Command(sql, settings=merged(CREATE, dict(work.settings)), database=database))
    return Done()
