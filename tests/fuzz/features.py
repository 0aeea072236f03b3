"""What is in a case, for the counts."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.schema import Table, World
from tests.fuzz.types import inside


def features(world: World) -> set[str]:
    """Types, clauses, engines, changes: each said once."""
    found = {f"change: {name}" for name in world.changes}
    for state in (world.before, world.after):
        for table in state.tables:
            found.update(_of_table(table))
        found.update(
            "refreshable view" if view.refresh else "materialized view" if view.materialized else "view"
            for view in state.views
        )
        found.update("dictionary" for _ in state.dictionaries)
        found.update("SQL function" for _ in state.functions)
        found.update("view with a join" for view in state.views if " JOIN " in view.query)
    found.update("session settings" for _ in world.session)
    found.update("stopped view" for _ in range(world.stopped))
    found.update("rows: lightweight delete" for touch in world.touches if touch.startswith("DELETE"))
    found.update("rows: patch parts" for touch in world.touches if touch.startswith("UPDATE"))
    found.update(
        "rows: parts without a column" for table in world.before.tables for column in table.columns if column.late
    )
    return found


def _of_table(table: Table) -> Iterator[str]:
    yield f"engine: {table.engine.name}"
    for column in table.columns:
        yield from (f"type: {part.name}" for part in inside(column.type))
        if column.kind:
            yield f"column: {column.kind}"
        yield from (f"column: {name}" for name in ("ttl", "statistics", "settings") if getattr(column, name))
        if "," in column.codec:
            yield "column: codec chain"
    for clause in (
        "partition_by",
        "primary_key",
        "sample_by",
        "ttl",
        "indexes",
        "projections",
        "constraints",
        "comment",
    ):
        if getattr(table, clause):
            yield f"clause: {clause}"
    if any(part.endswith(" DESC") for part in table.order_by):
        yield "clause: DESC"
