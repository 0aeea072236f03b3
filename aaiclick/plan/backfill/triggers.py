"""Which tables trigger a materialized view, and whether their writers can be kept out for a moment."""

from __future__ import annotations

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.features import is_fenced
from aaiclick.clickhouse.topology import Topology
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed

# dependencies_* of a table name the materialized views that an INSERT into it sets off.
_SOURCES = (
    "SELECT database, name, engine, engine_full FROM system.tables"
    " WHERE arrayExists((d, n) -> d = unhex({database:String}) AND n = unhex({view:String}), dependencies_database, "
    "dependencies_table)"
    " ORDER BY database, name"
)


def can_be_fenced(engine: str, topology: Topology) -> bool:
    """True for a table whose writers can be kept out: a local one of the MergeTree family on one host, a replicated one
    on the hosts of a cluster."""
    if not engine.endswith("MergeTree"):
        return False
    # A constraint reaches every host that has such a table by its log.
    return engine.startswith("Replicated") if topology.reached else not engine.startswith(("Replicated", "Shared"))


def fenced_sources(catalog: Catalog, view: str, topology: Topology) -> Routine[tuple[str, ...]]:
    """The tables of this database that set off the view; () where there is none, or the writers of one cannot be kept
    out."""
    database = catalog.database
    rows = yield Query(_SOURCES, {"database": hexed(database), "view": hexed(catalog.called.get(view, view))})
    if any(
        text(place) != database or not can_be_fenced(text(engine), topology) or is_fenced(text(full))
        for place, _, engine, full in rows
    ):
        return ()
    return tuple(text(row[1]) for row in rows)
