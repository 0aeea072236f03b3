"""Refreshable views that an operator has stopped (SYSTEM STOP VIEW), and that the plan makes anew.

A new view is refreshed at once and from then on: whoever stopped it would not know. It is stopped again right behind
its CREATE. Where several hosts have it, each may be stopped or not: there the plan says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.clickhouse.topology import Topology
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.cluster import head_of
from aaiclick.sql.ddl import system
from aaiclick.sql.quoting import qualified

_STOPPED = "SELECT database, view FROM system.view_refreshes WHERE status = 'Disabled' ORDER BY database, view"


def stopped_again(
    steps: Sequence[Step], topology: Topology, before: Collection[str], notes: list[str]
) -> Routine[tuple[Step, ...]]:
    """The steps, with a SYSTEM STOP VIEW behind each CREATE of a view that is stopped now, or was ``before`` a killed
    run made it anew (quoted names). ``notes`` are added to."""
    if not any(_refreshed(step) for step in steps):
        return tuple(steps)
    rows = yield from rows_or_refusal(Query(_STOPPED))
    stopped = {(text(database), text(view)) for database, view in rows or ()}
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


def _refreshed(step: Step) -> list[tuple[str, ...]]:
    """The refreshable views that the step makes, each as (database, name). Here it is quoted, and there it is not."""
    if not isinstance(step.work, ReplaceWork):
        return []
    heads = [head_of(sql) for sql in step.work.statements if " REFRESH " in sql]
    return [head.names[0] for head in heads if head and (head.verb, head.kind) == ("CREATE", "MATERIALIZED VIEW")]
