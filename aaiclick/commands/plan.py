"""Plans without changing anything."""

from __future__ import annotations

from aaiclick.commands.compared import compare
from aaiclick.plan.model import Plan
from aaiclick.routine import Routine
from aaiclick.specs.schema import Schema


def plan(
    schema: Schema,
    database: str | None,
    max_read_bytes: int | None,
    embedded: bool,
    allowed: frozenset[str],
    keep_seconds: float | None,
) -> Routine[Plan]:
    """The plan with what it costs, and the rights that it would need and the user has not. ``max_read_bytes``: how many
    bytes of live columns may be read for each table (None: any number). ``allowed``: what will be allowed by name.
    ``keep_seconds``: how long old tables will be kept; None: nobody asks what it costs."""
    return (yield from compare(schema, database, max_read_bytes, embedded, allowed, keep_seconds)).plan
