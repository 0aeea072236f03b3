"""Declared views, dictionaries and tables in front of others that another version changed: they get the form back that
was recorded of the older version, where all that they read is as it was then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.apply.rollback.path import Transition
from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.normalize import normal_form
from aaiclick.catalog.reflect import reflect_object
from aaiclick.catalog.render import form_sql, has_hidden
from aaiclick.clickhouse.topology import Topology
from aaiclick.commands.inspection.recorded_forms import load_forms
from aaiclick.commands.rollback.distributed_back import altered_with, columns_again, columns_lost
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import UnsupportedObjectError
from aaiclick.plan.comparison.changed_views import altered_in_place, step_of_changed, with_difference
from aaiclick.plan.dependents.buffer_merge_distributed import clusters_of_others
from aaiclick.plan.dependents.database_after import DatabaseAfter, Effect, affected, effects
from aaiclick.plan.dependents.declared_reads import Declared, in_reading_order
from aaiclick.plan.dependents.dropped_first import dropped_first
from aaiclick.plan.dependents.read import read_views
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.routine import Routine
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.ddl import replacing
from aaiclick.state.record import Record

_FRONTS = frozenset({"Buffer", "Merge", "Distributed"})


@dataclass(frozen=True, slots=True)
class OlderViews:
    """What gets its older form back, and by which steps."""

    before: tuple[Step, ...] = ()
    """Steps before the tables are put back: views that would refuse INSERTs behind that are dropped, and Distributed
    tables lose the columns that go."""
    behind: tuple[Step, ...] = ()
    """Steps behind them."""
    queries: Mapping[str, str] = field(default_factory=dict[str, str])
    """The older query of each view."""
    lookups: Mapping[str, DictionaryForm] = field(default_factory=dict[str, DictionaryForm])
    """The older form of each dictionary."""
    fronts: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """The older form of each Buffer, Merge and Distributed table."""
    shapes: Mapping[str, ViewForm] = field(default_factory=dict[str, ViewForm])
    """The older form of each view."""

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.queries, *self.lookups, *self.fronts))

    @property
    def anew(self) -> frozenset[str]:
        """Those that are made anew: as which objects they are there now does not matter."""
        return frozenset(step.object for step in self.behind if not altered_in_place(step))


def older_views(
    catalog: Catalog,
    listed: Sequence[Transition],
    earlier: Record | None,
    targets: Mapping[str, TableForm],
    topology: Topology,
) -> Routine[OlderViews]:
    """``listed``: what was done since the older version, of which ``earlier`` is the record. ``targets``: the tables as
    they come back."""
    changed = {step.object for each in listed for step in each.steps if step.strategy == "replace"}
    recorded = load_forms(earlier.forms) if earlier is not None else {}
    differing = {
        name: (catalog.objects[name], form)
        for name, form in sorted(recorded.items())
        if name in changed and name in catalog.objects and _another(catalog.objects[name].form, form)
    }
    distributed = yield from _altered(catalog, listed, recorded, targets, topology)
    if not differing and not distributed:
        return OlderViews()
    anew = {name: form for name, (_, form) in differing.items() if isinstance(form, TableForm)}
    fronts = {**anew, **{name: was for name, (_, was) in distributed.items()}}
    tables = {**targets, **fronts}
    items, planned = yield from _planned(catalog, differing, tables, topology)
    queries = {item.name: item.query for item in items if not isinstance(item, Dictionary)}
    lookups = {name: form for name, (_, form) in differing.items() if isinstance(form, DictionaryForm)}
    # An older query that the server would refuse is not put back: it reads what this rollback leaves as it is.
    refused = {
        each.dependent.name
        for each in (yield from _effects(catalog, {**tables, **lookups}, queries, topology, frozenset(queries)))
        if each.refusal or not each.fresh
    }
    items = [item for item in items if item.name not in refused]
    planned = [step for step in planned if step.object not in refused]
    queries = {name: query for name, query in queries.items() if name not in refused}
    breaking = yield from _breaking(catalog, {**tables, **lookups}, queries, targets, topology)
    shapes = {name: form for name, (_, form) in differing.items() if isinstance(form, ViewForm)}
    early, late = dropped_first(breaking, planned, items, catalog, shapes)
    made = [_front(catalog.database, name, form) for name, form in anew.items()]
    lost, again = (
        [step for name, pair in distributed.items() if (step := steps(catalog.database, name, *pair)) is not None]
        for steps in (columns_lost, columns_again)
    )
    return OlderViews(
        (*early, *lost),
        (*made, *again, *in_reading_order(late, items)),
        queries,
        {step.object: lookups[step.object] for step in planned if step.object in lookups},
        fronts,
        {name: form for name, form in shapes.items() if name in queries},
    )


def _altered(
    catalog: Catalog,
    listed: Sequence[Transition],
    recorded: Mapping[str, Form],
    targets: Mapping[str, TableForm],
    topology: Topology,
) -> Routine[dict[str, tuple[TableForm, TableForm]]]:
    """Distributed tables that get their columns back by ALTERs: as they are, and as they were."""
    found = altered_with(catalog, listed, recorded, targets)
    if not found:
        return found
    others = yield from clusters_of_others((was for _, was in found.values()), topology)
    return altered_with(catalog, listed, recorded, targets, others) if others else found


def _another(live: Form, recorded: Form) -> bool:
    """True where one of these kinds is there in another form, and can be made as it was recorded."""
    if live.kind != recorded.kind or has_hidden(recorded):
        return False
    if isinstance(recorded, TableForm):
        same = isinstance(live, TableForm) and live.engine == recorded.engine
        return same and recorded.engine in _FRONTS and normal_form(live) != normal_form(recorded)
    return isinstance(recorded, ViewForm | DictionaryForm) and normal_form(live) != normal_form(recorded)


def _planned(
    catalog: Catalog,
    differing: Mapping[str, tuple[LiveObject, Form]],
    tables: Mapping[str, TableForm],
    topology: Topology,
) -> Routine[tuple[list[Declared], list[Step]]]:
    """The views and dictionaries as declarations, and the steps by which they become so: those that lose no row which
    is in a table of their own."""
    items: list[Declared] = []
    found: list[Step] = []
    for live, form in differing.values():
        if isinstance(form, TableForm):
            continue
        try:
            item = reflect_object(form)
        except UnsupportedObjectError:
            continue
        if not isinstance(item, View | MaterializedView | Dictionary):
            continue
        step = yield from step_of_changed(item, live, form, catalog, tables, topology)
        if step is None or step.blocked or step.hazards or not isinstance(step.work, ReplaceWork):
            continue
        items.append(item)
        found.append(with_difference(step, live.form, form))
    return items, found


def _effects(
    catalog: Catalog,
    tables: Mapping[str, TableForm | DictionaryForm],
    queries: Mapping[str, str],
    topology: Topology,
    always: frozenset[str],
) -> Routine[tuple[Effect, ...]]:
    if not always:
        return ()
    after = DatabaseAfter(catalog, tables, queries, always)
    views = yield from read_views(catalog.database, always)
    return (yield from effects(affected(views, after), after))


def _breaking(
    catalog: Catalog,
    tables: Mapping[str, TableForm | DictionaryForm],
    queries: Mapping[str, str],
    targets: Mapping[str, TableForm],
    topology: Topology,
) -> Routine[frozenset[str]]:
    """The materialized views that would refuse INSERTs, or leave out what they write, from the moment in which the
    tables are back."""
    found: set[str] = set()
    for each in (yield from _effects(catalog, tables, {}, topology, frozenset(queries))):
        form, place = each.dependent.form, each.dependent.target
        if form is None or form.refresh:
            continue
        target = targets.get(place[1]) if place is not None and place[0] == catalog.database else None
        into = {column.name for column in target.columns} if target is not None else None
        lacks = into is not None and any(column.name not in into for column in each.fresh)
        if each.refusal or lacks:
            found.add(each.dependent.name)
    return frozenset(found)


def _front(database: str, name: str, form: TableForm) -> Step:
    # CREATE OR REPLACE exchanges the two in an Atomic database: the name is never missing.
    sql = replacing(form_sql(form, database, name))
    held = {
        "Buffer": "rows that {name} still holds are written to its target when it goes, and are lost where that fails",
        "Distributed": "inserts into {name} that wait on disk to be sent are lost",
    }.get(form.engine, "")
    hazards = (Hazard("loses-rows", held.format(name=name), f"replace-table {name}"),) if held else ()
    work = ReplaceWork((sql,), (("flatten_nested", "0"),))
    return Step(f"{name}:replace", name, "definition differs", "replace", [sql], work, hazards)
