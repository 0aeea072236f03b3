"""Refreshable views that the plan changes: those that an operator has stopped (SYSTEM STOP VIEW), and those that get
another query.

A new view is refreshed at once and from then on: whoever stopped it would not know. It is stopped again right behind
its CREATE. Where several hosts have it, each may be stopped or not: there the plan says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.cluster import head_of
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified

_STOPPED = "SELECT database, view FROM system.view_refreshes WHERE status = 'Disabled' ORDER BY database, view"


def stopped_again(
    steps: Sequence[Step], catalog: Catalog, topology: Topology, before: Collection[str], notes: list[str]
) -> Routine[tuple[Step, ...]]:
    """The steps, with a SYSTEM STOP VIEW behind each CREATE of a view that is stopped now, or was ``before`` a killed
    run made it anew (quoted names). ``notes`` are added to."""
    if not any(_refreshed(step) for step in steps):
        return tuple(steps)
    rows = yield from rows_or_refusal(Query(_STOPPED))
    new = {live: name for name, live in catalog.called.items()}
    stopped = {
        (text(database), new.get(text(view), text(view)) if text(database) == catalog.database else text(view))
        for database, view in rows or ()
    }
    found: list[Step] = []
    for step in steps:
        made = [(parts, qualified(*parts)) for parts in _refreshed(step)]
        name = next((name for parts, name in made if parts in stopped or name in before), "")
        if name and not topology.single:
            notes.append(f"{name} is stopped (SYSTEM STOP VIEW) and made anew: it is refreshed from then on")
        if not name or not topology.single:
            found.append(step)
            continue
        assert isinstance(step.work, ReplaceWork)
        stop = system("STOP VIEW", name)
        work = replace(step.work, statements=(*step.work.statements, stop))
        found.append(replace(step, sql=[*step.sql, stop], work=work))
    return tuple(found)


def refreshed_again(
    steps: Sequence[Step],
    items: Sequence[object],
    queries: Mapping[str, str],
    catalog: Catalog,
    topology: Topology,
    notes: list[str],
) -> Routine[tuple[Step, ...]]:
    """The steps, and one that refreshes each view that gets another query where it is: until its next refresh it would
    show what the former query gave. A view that is made anew is refreshed at once by the server. ``notes`` are added
    to.

    Rows that are appended stay as they are. On several hosts, and where the view is stopped, it is only said.
    """
    altered = {
        step.object
        for step in steps
        if isinstance(step.work, ReplaceWork) and not step.blocked and not _refreshed(step)
    }
    views = [
        item
        for item in items
        if isinstance(item, MaterializedView) and item.refresh and queries.get(item.name) and item.name in altered
    ]
    if not views:
        return tuple(steps)
    rows = yield from rows_or_refusal(Query(_STOPPED))
    database = catalog.database
    new = {live: name for name, live in catalog.called.items()}
    stopped = {new.get(text(view), text(view)) for where, view in rows or () if text(where) == database}
    found: list[Step] = []
    for view in views:
        refresh = system("REFRESH VIEW", qualified(database, view.name))
        if "APPEND" in (view.refresh or "").upper().split():
            notes.append(f"{view.name}: rows that former refreshes have appended stay as its former query gave them")
        elif view.name in stopped or not topology.single:
            why = " It is stopped (SYSTEM STOP VIEW)." if view.name in stopped else ""
            shows = f"{view.name} shows what its former query gave until its next refresh ({view.refresh})"
            notes.append(f"{shows}.{why} {refresh} refreshes it at once")
        else:
            words = f"is refreshed: until {view.refresh} it would show what its former query gave"
            found.append(statements_step(f"{view.name}:refresh", view.name, words, (refresh,)))
    return (*steps, *found)


def _refreshed(step: Step) -> list[tuple[str, ...]]:
    """The refreshable views that the step makes, each as (database, name). Here it is quoted, and there it is not."""
    if not isinstance(step.work, ReplaceWork):
        return []
    heads = [head_of(sql) for sql in step.work.statements if " REFRESH " in sql]
    return [head.names[0] for head in heads if head and (head.verb, head.kind) == ("CREATE", "MATERIALIZED VIEW")]
