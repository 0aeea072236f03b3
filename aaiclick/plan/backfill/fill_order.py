"""Materialized views that are filled in one plan with others that read or write the same tables.

A fill is no INSERT that sets off a view. So the one that fills a table goes first: a view that reads the table is
filled from it afterwards, and one that writes into it too puts no row there before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.declared_reads import Declared, tables_of
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.views import MaterializedView


def targets_filled(steps: Sequence[Step]) -> dict[str, Step]:
    """The tables that these steps fill, each with its step."""
    return {
        step.work.fill.target: step
        for step in reversed(steps)
        if isinstance(step.work, BackfillWork) and step.work.fill is not None and step.work.fill.target
    }


def filling_first(creates: Sequence[Step], items: Sequence[Declared]) -> tuple[Step, ...]:
    """The CREATEs with each view that may be filled before the others that read or write its target; else in their
    order."""
    views = {item.name: item for item in items if isinstance(item, MaterializedView)}
    ordered = list(creates)
    for step in creates:
        view = views.get(step.object)
        if view is None or not view.to or not (view.backfill or isinstance(view, AggregateView)):
            continue
        place = ordered.index(step)
        behind = [each for each in ordered[:place] if _meets(views.get(each.object), view)]
        before = [each for each in ordered[:place] if each not in behind]
        ordered = [*before, step, *behind, *ordered[place + 1 :]]
    return tuple(ordered)


def _meets(other: MaterializedView | None, view: MaterializedView) -> bool:
    """True for a view that reads what ``view`` fills, or that writes into it without being filled itself."""
    if other is None or other.name == view.name or view.to is None:
        return False
    filled = other.backfill or isinstance(other, AggregateView)
    return view.to in tables_of(other) or (other.to == view.to and not filled)


def with_filled(
    view: MaterializedView, step: Step, filled: Mapping[str, Step], items: Sequence[Declared], topology: Topology
) -> Step:
    """The step of a new view, with what it means that other steps of the plan fill tables that it reads or writes, and
    that other declared views write into the table that it is filled from."""
    work = step.work
    fill = work.fill if isinstance(work, BackfillWork) else None
    if step.blocked:
        return step
    if fill is not None and fill.target in filled:
        return replace(step, blocked=_twice(view, fill.target, filled[fill.target].object))
    if fill is not None and topology.reached and (above := _writer_of(fill.source, view, items)):
        return replace(step, blocked=_below(view, fill.source, above))
    source = next((name for name in sorted(tables_of(view)) if name in filled), "")
    if not source or not isinstance(work, CreateWork) or view.refresh is not None:
        return step
    other = filled[source]
    # A table without rows brings none.
    if not other.rows and not _filled_before(other, filled):
        return step
    ways = "" if topology.reached or view.backfill else ": backfill=True would bring them in"
    message = f"the rows that {other.object} is filled with in {source} in the same run are not in it{ways}"
    return replace(step, hazards=(*step.hazards, Hazard("readers-see-gap", message)))


def _writer_of(table: str, view: MaterializedView, items: Sequence[Declared]) -> str:
    others = (item for item in items if isinstance(item, MaterializedView) and item.name != view.name)
    return next((item.name for item in others if item.to == table and item.refresh is None), "")


def _filled_before(step: Step, filled: Mapping[str, Step]) -> bool:
    work = step.work
    return isinstance(work, BackfillWork) and work.fill is not None and work.fill.source in filled


def _twice(view: MaterializedView, target: str, other: str) -> str:
    way = (
        f"Give one of the two a table of its own, or leave backfill out of {other}, and bring its rows in with a "
        "statement of a migration"
        if isinstance(view, AggregateView)
        else f"Give {view.name} a table of its own, or leave its backfill out, and bring its rows in with a statement "
        "of a migration"
    )
    return (
        f"{other} fills {target} in the same run, and {view.name} would find rows there of which nobody can tell where "
        f"they are from: only one view can be filled into a table. {way}"
    )


def _below(view: MaterializedView, source: str, other: str) -> str:
    way = (
        "declare it over a table that no view writes into"
        if isinstance(view, AggregateView)
        else "leave backfill out of it, and bring the rows in with a statement of a migration, in a later version"
    )
    return (
        f"{view.name} is to be filled from {source}, which {other} writes into: while {source} refuses rows on all "
        f"hosts, the table that {other} reads would keep them, and they would be missing in {source}. That is not done "
        f"on clusters: {way}"
    )
