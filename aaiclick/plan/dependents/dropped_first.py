"""Materialized views that would refuse every INSERT once a table has changed: dropped before it, and made anew behind.

A view that is set off by inserts cannot follow a renamed column in place. Its new query is refused before the rename,
and after it each INSERT into the table fails in the old one, with rows that may be in the table already. So the view
goes first, which has to be allowed by name: what is inserted until it is made anew does not go through it. A
refreshable view stays: a refresh that begins too early fails and leaves what the view shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, ViewForm
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.undeclared_of_views import create_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.plan.steps import statements_step
from aaiclick.specs.aggregates import AggregateView
from aaiclick.specs.views import MaterializedView, View
from aaiclick.sql.ddl import drop
from aaiclick.sql.quoting import qualified


def droppable_views(items: Sequence[object], catalog: Catalog) -> frozenset[str]:
    """The declared views that are set off by inserts now. An aggregate's view is not among them: the rows of its target
    have to follow it."""
    return frozenset(
        item.name
        for item in items
        if isinstance(item, View | MaterializedView)
        and not isinstance(item, AggregateView)
        and (form := _live(item, catalog)) is not None
        and _set_off(form)
    )


def passive_views(items: Sequence[object], catalog: Catalog) -> frozenset[str]:
    """The declared views that no INSERT meets now: plain ones, and refreshable ones."""
    return frozenset(
        item.name
        for item in items
        if isinstance(item, View | MaterializedView)
        and ((form := _live(item, catalog)) is None or not _set_off(form))
        and (form is not None or isinstance(item, View))
    )


def _set_off(form: ViewForm) -> bool:
    return form.materialized and not form.refresh


def _live(item: View | MaterializedView, catalog: Catalog) -> ViewForm | None:
    live = catalog.get(item.name)
    form = live.form if live is not None else None
    return form if isinstance(form, ViewForm) else None


def dropped_first(
    names: Collection[str],
    steps: Sequence[Step],
    items: Sequence[object],
    catalog: Catalog,
    shapes: Mapping[str, ViewForm],
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps that go before the tables, and ``steps`` with a CREATE for each view of ``names``. ``shapes``: what
    views become."""
    declared: Mapping[str, View | MaterializedView] = {
        item.name: item for item in items if isinstance(item, View | MaterializedView) and item.name in names
    }
    early: list[Step] = []
    late: list[Step] = []
    for step in steps:
        item = declared.get(step.object)
        # A blocked step stops the plan anyway: nothing is dropped for it.
        if item is None or step.blocked:
            late.append(step)
            continue
        before = _live(item, catalog)
        assert before is not None
        refreshed = isinstance(item, MaterializedView) and item.refresh is not None
        lost = (
            "what is inserted from this step until it is made anew is not seen by the view"
            + (" before its next refresh" if refreshed else "")
            + ("" if before.to else ", and its inner table is gone, with its rows and what was changed in it by hand")
        )
        early.append(
            statements_step(
                f"{item.name}:drop-first",
                item.name,
                "its query names what the plan changes: it is made anew behind that",
                (drop("VIEW", qualified(catalog.database, item.name)),),
                (Hazard("loses-rows", lost, f"replace-view {item.name}"),),
            )
        )
        # What has to be allowed was asked for by the step that drops the view.
        made = (create_again(item, before, shapes[item.name], catalog.database),)
        late.append(replace(step, strategy="replace", sql=list(made), work=ReplaceWork(made), hazards=()))
    return tuple(early), tuple(late)
