"""Steps before and after those of the tables, for views, dictionaries and tables that read them, whoever made these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Catalog, DictionaryForm, LiveObject, TableForm, ViewForm
from aaiclick.catalog.normalize import normal
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.plan.dependents.database_after import DatabaseAfter, Effect, Read, affected, effects
from aaiclick.plan.dependents.dependents import (
    Dependent,
    Place,
    as_called,
    places_named,
    reached_from,
    written_through,
)
from aaiclick.plan.dependents.dictionaries import dictionary_steps
from aaiclick.plan.dependents.lossless_conversions import fits, only_trailing_zeros
from aaiclick.plan.dependents.materialized_views import materialized_steps
from aaiclick.plan.dependents.plain_views import broken_step, declared_query_note, plain_steps, taken_over_step
from aaiclick.plan.dependents.read import Reader, read_dependents, read_views
from aaiclick.plan.dependents.table_functions import made_anew_behind, with_followers
from aaiclick.plan.model import Step
from aaiclick.plan.operations import ReplaceWork
from aaiclick.plan.steps import blocked_step
from aaiclick.routine import Query, Routine, text
from aaiclick.versions.upgrade_path import UpgradePath

_LOOKED_UP = frozenset({"Dictionary", "Join", "Set"})


@dataclass(frozen=True, slots=True)
class DependentSteps:
    """Steps for objects that read the tables."""

    before: tuple[Step, ...] = ()
    """Steps before those of the tables."""
    behind: tuple[Step, ...] = ()
    """Steps after those of the tables."""
    notes: tuple[str, ...] = ()
    """Sentences for people."""
    first: tuple[str, ...] = ()
    """Tables that get wider types and that a view of other tables writes into: they have to be changed before those, or
    values would be cut off."""
    unchecked: frozenset[str] = frozenset()
    """New names of renamed tables that only dictionaries depend on, which the plan changes as well. The engine would
    refuse the rename, so its check is turned off."""
    lookups: frozenset[Place] = frozenset()
    """The dictionaries, and the Join and Set tables, that give other values."""
    readers: frozenset[Reader] | None = None
    """What was looked at; None: nothing."""
    through: Mapping[Place, Collection[Place]] = field(default_factory=dict[Place, Collection[Place]])
    """What each view, and each table in front of others, writes into."""


@dataclass(frozen=True, slots=True)
class PlannedChanges:
    """What the plan does to tables and views."""

    targets: Mapping[str, TableForm] = field(default_factory=dict[str, TableForm])
    """The new forms of tables."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """New names of tables by the old ones."""
    queries: Mapping[str, str] = field(default_factory=dict[str, str])
    """Each declared view that is there, with the query that it gets; '' for none."""
    replaced: frozenset[str] = frozenset()
    """Views that are made anew anyway."""
    lookups: Mapping[str, DictionaryForm] = field(default_factory=dict[str, DictionaryForm])
    """The new forms of dictionaries whose attributes change."""
    revalued: frozenset[str] = frozenset()
    """Tables, views and dictionaries that give other values to who looks something up in them, by their present
    names."""
    topology: Topology = SINGLE
    """The hosts of the database."""
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Columns that get another name, by the names that they have now; for each table by its new name."""
    back: bool = False
    """Tables get an older form back: what a view stores in wider types may stay."""


def plan_dependents(catalog: Catalog, changed: PlannedChanges, steps: Sequence[Step]) -> Routine[DependentSteps]:
    """The steps for everything that reads the tables. ``steps`` are those that are planned for tables and views
    already."""
    tables = _tables(catalog, changed)
    if not tables and not changed.queries and not changed.revalued:
        return DependentSteps()
    database = catalog.database
    seen: set[Reader] = set()
    # Where no table changes only declared views can: only they are read.
    dependents = (
        (yield from read_dependents(database, tables, changed.topology, seen))
        if tables or changed.revalued
        else (yield from read_views(database, changed.queries))
    )
    dependents = as_called(dependents, catalog)
    after = DatabaseAfter(
        catalog, tables, {name: query for name, query in changed.queries.items() if query}, frozenset(changed.queries)
    )
    chosen = affected(dependents, after)
    before: list[Step] = []
    behind: list[Step] = []
    first: list[str] = []
    notes: list[str] = []
    made = {name for name, live in catalog.objects.items() if planned_only(live)}
    examined = yield from effects(chosen, after)
    for effect in examined:
        if effect.dependent.database == catalog.database and effect.dependent.name in changed.replaced | made:
            continue
        early, late = yield from _steps(effect, chosen, catalog, tables, changed, steps)
        if (
            effect.taken_over
            and effect.dependent.database == catalog.database
            and (effect.dependent.name in changed.queries)
        ):
            notes.append(declared_query_note(effect, catalog.database))
        elif effect.taken_over:
            early = (taken_over_step(effect, catalog.database),)
        before += early
        behind += late
        first.append(_wider_target(effect, catalog, tables))
    others = [each for each in dependents if each.database != database or each.name not in changed.replaced | made]
    behind += yield from made_anew_behind(others, *with_followers(examined, catalog, tables, after.queries))
    before += yield from _depended(catalog.database, changed.renamed, chosen)
    unchecked = {changed.renamed[old] for old in changed.renamed if _followed(catalog.get(old), chosen)}
    return DependentSteps(
        tuple(before),
        tuple(behind),
        tuple(notes),
        # Along a chain of views the last target gets wider first, so none is narrower than what is written into it.
        tuple(dict.fromkeys(name for name in reversed(first) if name)),
        frozenset(unchecked),
        _lookups(catalog, dependents, changed.revalued),
        frozenset(seen) if tables or changed.revalued else None,
        {each.place: each.writes_into for each in dependents},
    )


def _lookups(catalog: Catalog, dependents: Sequence[Dependent], revalued: frozenset[str]) -> frozenset[Place]:
    """What is asked by dictGet and the like, and gives other values because one of these tables, views and dictionaries
    does, directly or through others."""
    database = catalog.database
    first: set[Place] = {(database, name) for name in revalued}
    lookups = {(database, name) for name in revalued if catalog.objects[name].engine in _LOOKED_UP}
    reading = [(each.place, places_named(each.query)) for each in dependents] if first else []
    reached = reached_from(first, reading) - first
    more = {each.place for each in dependents if each.place in reached and each.noun == "dictionary"}
    return frozenset(lookups | more)


def revalued(
    steps: Sequence[Step], tables: Mapping[str, LiveObject], targets: Mapping[str, TableForm], path: UpgradePath
) -> frozenset[str]:
    """Present names of the tables whose rows may show other values behind the steps."""
    found: set[str] = set()
    for step in steps:
        live = tables.get(step.object)
        target = targets.get(step.object)
        if live is None or target is None or not isinstance(live.form, TableForm):
            continue
        said = [
            [(each.name, each.type, each.kind, each.expression) for each in form.columns]
            for form in (live.form, target)
        ]
        if (
            step.strategy == "rebuild"
            or any(change.rebuild for change in path.changes_of(step.object))
            or said[0] != said[1]
        ):
            found.add(live.name)
    return frozenset(found)


def _depended(database: str, renamed: Mapping[str, str], dependents: Sequence[Dependent]) -> Routine[list[Step]]:
    """Blocked steps for renamed tables that other objects need when they are loaded: the engine does not rename
    these."""
    found: list[Step] = []
    known = {dependent.place for dependent in dependents}
    for old, new in sorted(renamed.items()):
        rows = yield Query(
            "SELECT d, n FROM system.tables ARRAY JOIN loading_dependent_database AS d, loading_dependent_table AS n"
            " WHERE database = {database:String} AND name = {name:String} ORDER BY d, n",
            {"database": database, "name": old},
        )
        # Those that were examined follow the new name by steps of this plan, or block it.
        needed = [f"{text(row[0])}.{text(row[1])}" for row in rows if (text(row[0]), text(row[1])) not in known]
        if needed:
            why = (
                f"{', '.join(needed)} cannot be loaded without {old}: the server does not rename it. Change or drop "
                "them first"
            )
            found.append(blocked_step(f"{new}:needed", new, f"is needed as {old}", why))
    return found


def _followed(live: LiveObject | None, dependents: Sequence[Dependent]) -> bool:
    """True where all objects that the engine knows to depend on a table were examined here."""
    known = {f"{dependent.database}.{dependent.name}" for dependent in dependents}
    lookups = [dependent for dependent in dependents if dependent.noun == "dictionary"]
    return live is not None and bool(lookups) and set(live.dependents) <= known


def _wider(old: str, new: str) -> bool:
    # That zero bytes go is asked for where the column itself changes; what comes through the view is refused nowhere.
    return fits(old, new) or only_trailing_zeros(old, new)


def _wider_target(effect: Effect, catalog: Catalog, tables: Mapping[str, Read]) -> str:
    database, name = effect.dependent.target or ("", "")
    live, wanted = catalog.get(name), tables.get(name)
    if wanted is None or live is None or not isinstance(live.form, TableForm) or database != catalog.database:
        return ""
    types = {column.name: column.type for column in wanted.columns}
    return (
        name
        if all(column.name in types and _wider(column.type, types[column.name]) for column in live.form.columns)
        else ""
    )


def in_order(steps: Sequence[Step], around: DependentSteps) -> list[Step]:
    """The steps of tables, with those of ``first`` in front."""
    place = {name: index for index, name in enumerate(around.first)}
    free = {f"{name}:rename" for name in around.unchecked}
    return [
        _unchecked(step) if step.id in free else step
        for step in sorted(steps, key=lambda step: place.get(step.object, len(place)))
    ]


def _unchecked(step: Step) -> Step:
    assert isinstance(step.work, ReplaceWork)
    # The server only checks names. A dictionary goes on with what it has loaded until the plan has changed it.
    return replace(step, work=replace(step.work, settings=(("check_table_dependencies", "0"),)))


def _steps(
    effect: Effect,
    dependents: Sequence[Dependent],
    catalog: Catalog,
    tables: Mapping[str, Read],
    changed: PlannedChanges,
    steps: Sequence[Step],
) -> Routine[tuple[tuple[Step, ...], tuple[Step, ...]]]:
    dependent = effect.dependent
    if not dependent.view:
        written = written_through(dependent, dependents) if dependent.noun == "Buffer table" else ()
        moved = [
            name for place, table in written if place == catalog.database for name in changed.columns.get(table, ())
        ]
        return dictionary_steps(effect, catalog.database, moved, back=changed.back), ()
    declared = dependent.database == catalog.database and dependent.name in changed.queries
    if effect.refusal:
        if declared and changed.queries[dependent.name]:
            return (), ()  # a new query was tried with the declarations already; it may read what the plan makes
        # One reason is enough: the step of its table names it already.
        said = any(dependent.name in step.blocked for step in steps)
        return ((), ()) if said else ((broken_step(effect, catalog.database),), ())
    if dependent.form is None:
        return plain_steps(_staying_wide(effect) if changed.back else effect, catalog.database, bool(tables))
    early, late = yield from materialized_steps(effect, catalog, tables, declared, changed.back)
    if declared and changed.queries[dependent.name]:
        # Its new query makes the list of columns anew; the old one may name columns that are gone by then.
        return (_without_types(early), _without_types(late))
    return early, late


def _staying_wide(effect: Effect) -> Effect:
    """The effect on a plain view that goes on storing the types that it has, where these hold what its query yields."""
    stored = {column.name: column.type for column in effect.dependent.columns}
    kept = (
        replace(column, type=stored[column.name])
        if column.name in stored and fits(column.type, stored[column.name])
        else column
        for column in effect.columns
    )
    return replace(effect, columns=tuple(kept))


def _without_types(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(step for step in steps if not step.id.endswith(":types"))


def _tables(catalog: Catalog, changed: PlannedChanges) -> dict[str, Read]:
    """Every table or dictionary whose name means another definition after the plan, by name."""
    # None: under the old name there is nothing then.
    found: dict[str, Read] = {
        **dict.fromkeys((*changed.renamed, *catalog.called.values())),
        **changed.lookups,
    }
    for old, new in changed.renamed.items():
        live = catalog.get(old)
        if live is not None and isinstance(live.form, TableForm):
            found[new] = live.form
    former = {new: old for old, new in changed.renamed.items()}
    for name, target in changed.targets.items():
        live = catalog.get(former.get(name, name))
        form = live.form if live is not None else None
        if not isinstance(form, TableForm) or normal(form) != normal(target):
            found[name] = target
    return found


def planned_only(live: LiveObject) -> bool:
    """True for an object that an earlier step of the plan creates."""
    return live.text.startswith("-- ")


def queries_of(catalog: Catalog, forms: Mapping[str, ViewForm]) -> dict[str, str]:
    """For ``PlannedChanges``: each declared view that is there, with '' where its query stays."""
    found: dict[str, str] = {}
    for name, form in forms.items():
        live = catalog.get(name)
        if live is not None and isinstance(live.form, ViewForm):
            found[name] = "" if live.form.query == form.query and not planned_only(live) else form.query
    return found
