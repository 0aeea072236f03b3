"""Which tables trigger a materialized view, and whether their writers can be kept out for a moment."""

from __future__ import annotations

from aaiclick.clickhouse.features import is_fenced
from aaiclick.routine import Query, Routine, text

# dependencies_* of a table name the materialized views that an INSERT into it sets off.
_SOURCES = (
    "SELECT database, name, engine, engine_full FROM system.tables"
    " WHERE arrayExists((d, n) -> d = unhex({database:String}) AND n = unhex({view:String}), dependencies_database, "
    "dependencies_table)"
    " ORDER BY database, name"
)


def can_be_fenced(engine: str) -> bool:
    """True for a table whose writers can be kept out: a local one of the MergeTree family."""
    return engine.endswith("MergeTree") and not engine.startswith(("Replicated", "Shared"))


def fenced_sources(database: str, view: str) -> Routine[tuple[str, ...]]:
    """The tables of this database that set off the view; () where there is none, or the writers of one cannot be kept
    out."""
    rows = yield Query(_SOURCES, {"database": database.encode().hex(), "view": view.encode().hex()})
    if any(
        text(place) != database or not can_be_fenced(text(engine)) or is_fenced(text(full))
        for place, _, engine, full in rows
    ):
        return ()
    return tuple(text(row[1]) for row in rows)
