"""What a start does: the warm start, and everything else (``start/inspecting.py``) only where that does not end it:
it is loaded then."""

from __future__ import annotations

from aaiclick.clock import clock
from aaiclick.commands.inspection.warm import Warm, warm
from aaiclick.commands.report import Report
from aaiclick.commands.start.run import Run, asks_for_more
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def ensure(run: Run) -> Routine[Report]:
    """Bring the database to the declared version, or raise the one sentence that says why not."""
    started = yield from clock()
    seen = yield from warm(run.schema, run.database, run.policy.allowed)
    if run.approved is not None and seen.database:  # '' in a database without a table, where nobody named one
        from aaiclick.commands.approval.approved import require_its_database

        require_its_database(run.approved, seen.database)
    if seen.in_sync and not asks_for_more(run.policy, seen):
        return nothing_to_do(run.schema, seen, (yield from clock()) - started)
    # Loaded here, because most starts end above, and this brings the planner with it.
    from aaiclick.commands.start.inspecting import start

    return (yield from start(run, seen, started))


def nothing_to_do(schema: Schema, seen: Warm, seconds: float) -> Report:
    """The report of a warm start: the database is as it is recorded."""
    return Report(schema.name, seen.database, schema.version, schema.version, (), (), (), (), True, seconds)
