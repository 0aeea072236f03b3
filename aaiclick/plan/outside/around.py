"""Steps around those of the tables: for what reads them from outside, whoever declared it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aaiclick.catalog.forms import Catalog, LiveObject, TableForm, ViewForm
from aaiclick.catalog.normal import normal
from aaiclick.catalog.render import target_parts
from aaiclick.plan.model import Step
from aaiclick.plan.outside.fitting import fits
from aaiclick.plan.outside.materialized import materialized_steps
from aaiclick.plan.outside.plain import broken_step, plain_steps
from aaiclick.plan.outside.readers import read_readers
from aaiclick.plan.outside.world import After, Outcome, affected, outcomes
from aaiclick.routine import Routine


@dataclass(frozen=True, slots=True)
class Around:
    """``before`` and ``behind`` the steps of the tables, and notes. ``first``: tables that get wider and are written to by a view of others that do:
    what they were would cut values off as soon as the others change."""

    before: tuple[Step, ...] = ()
    behind: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What the plan does to the tables: ``targets`` are the forms of those that differ, ``renamed`` the new names by the old ones. ``queries``: the
    declared views that are there, by name, each with '' or the query that it gets; ``replaced``: those that have a step already."""

    targets: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    queries: Mapping[str, str] = field(default_factory=dict[str, str])
    replaced: frozenset[str] = frozenset()


def plan_around(catalog: Catalog, changed: Changed, steps: Sequence[Step]) -> Routine[Around]:
    """``steps`` are those of tables and views that are planned already."""
    tables = _tables(catalog, changed)
    if not tables and not changed.queries:
        return Around()
    readers = yield from read_readers(catalog.database, None if tables else changed.queries)
    after = After(catalog, tables, {name: query for name, query in changed.queries.items() if query}, frozenset(changed.queries))
    chosen = affected(readers, after)
    before: list[Step] = []
    behind: list[Step] = []
    first: list[str] = []
    made = {name for name, live in catalog.objects.items() if planned_only(live)}
    for outcome in (yield from outcomes(chosen, after)):
        if outcome.reader.database == catalog.database and outcome.reader.name in changed.replaced | made:
            continue
        early, late = yield from _steps(outcome, catalog, tables, changed, steps)
        before += early
        behind += late
        first.append(_wider_target(outcome, catalog, tables))
    return Around(tuple(before), tuple(behind), (), tuple(dict.fromkeys(name for name in reversed(first) if name)))


def _wider_target(outcome: Outcome, catalog: Catalog, tables: Mapping[str, TableForm | None]) -> str:
    form = outcome.reader.form
    database, name = target_parts(form.to) if form is not None and form.to else (None, "")
    live, wanted = catalog.get(name), tables.get(name)
    if wanted is None or live is None or not isinstance(live.form, TableForm) or (database or outcome.reader.database) != catalog.database:
        return ""
    types = {column.name: column.type for column in wanted.columns}
    return name if all(column.name in types and fits(column.type, types[column.name]) for column in live.form.columns) else ""


def in_order(steps: Sequence[Step], first: Sequence[str]) -> list[Step]:
    """The steps of tables, those of ``first`` in front."""
    place = {name: index for index, name in enumerate(first)}
    return sorted(steps, key=lambda step: place.get(step.object, len(place)))


def _steps(
    outcome: Outcome, catalog: Catalog, tables: Mapping[str, TableForm | None], changed: Changed, steps: Sequence[Step]
) -> Routine[tuple[tuple[Step, ...], tuple[Step, ...]]]:
    reader = outcome.reader
    if outcome.refusal:
        said = any(reader.name in step.blocked for step in steps)
        return ((), ()) if said else ((broken_step(outcome, catalog.database),), ())
    if reader.form is None:
        return plain_steps(outcome, catalog.database, bool(tables))
    declared = reader.database == catalog.database and reader.name in changed.queries
    return (yield from materialized_steps(outcome, catalog, tables, declared))


def _tables(catalog: Catalog, changed: Changed) -> dict[str, TableForm | None]:
    """Every table that another definition is found under than today, by name."""
    found: dict[str, TableForm | None] = dict.fromkeys(changed.renamed)
    for old, new in changed.renamed.items():
        live = catalog.get(old)
        if live is not None and isinstance(live.form, TableForm):
            found[new] = live.form
    for name, target in changed.targets.items():
        live = catalog.get(name)
        form = live.form if live is not None else None
        if not isinstance(form, TableForm) or normal(form) != normal(target):
            found[name] = target
    return found


def planned_only(live: LiveObject) -> bool:
    """True for an object that an earlier step of the plan makes."""
    return live.text.startswith("-- ")


def queries_of(catalog: Catalog, forms: Mapping[str, ViewForm]) -> dict[str, str]:
    """For ``Changed``: the declared views that are there, each with '' where its query stays."""
    found: dict[str, str] = {}
    for name, form in forms.items():
        live = catalog.get(name)
        if live is not None and isinstance(live.form, ViewForm):
            found[name] = "" if live.form.query == form.query and not planned_only(live) else form.query
    return found
