"""Views and dictionaries that get another name: renamed where they are, before all else that the plan does.

A view that is made under the new name beside the old one would write each row into the target once more, and one that
is dropped first would miss rows. The server renames a view as it is: an INSERT finds it by its UUID, so each row goes
through it once, and it keeps its target, its inner table and its refreshes. What else becomes of it follows as for any
view, over a catalogue that has the new name. A dictionary is renamed where nothing names it, and made anew else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Catalog, DictionaryForm, LiveObject, TableForm, ViewForm
from aaiclick.catalog.render import form_sql, target_parts
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.clickhouse.topology import Topology
from aaiclick.diff.hazards import Hazard
from aaiclick.errors import MigrationError
from aaiclick.plan.backfill.renamed_sources import following
from aaiclick.plan.backfill.triggers import fenced_sources
from aaiclick.plan.backfill.view_steps import backfill_hazards, backfill_lines
from aaiclick.plan.comparison.recorded import declared_views
from aaiclick.plan.declaration.renamed_dictionaries import readers_of, stays_beside
from aaiclick.plan.dependents.undeclared_of_views import query_again
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, ReplaceWork
from aaiclick.plan.proof.row_policies import rename_with_policies
from aaiclick.plan.rehearsal.cache import RehearsalCache
from aaiclick.printable import allow_flag
from aaiclick.routine import Query, Routine, text
from aaiclick.specs.schema import Schema
from aaiclick.specs.views import MaterializedView
from aaiclick.sql.ddl import drop, rename_table
from aaiclick.sql.quoting import qualified
from aaiclick.versions.upgrade_path import TakenPlace, UpgradePath


@dataclass(frozen=True, slots=True)
class RenamedViews:
    """Views and dictionaries that get another name."""

    steps: tuple[Step, ...]
    """The renames, in an order in which each new name is free."""
    catalog: Catalog
    """The catalogue as they leave it."""
    taken: Mapping[str, TakenPlace] = field(default_factory=dict[str, TakenPlace])
    """The views that take the place of one of which no migration says that it is the same."""
    notes: tuple[str, ...] = ()
    """On dictionaries that are made beside the old one."""


def views_to_rename(schema: Schema, catalog: Catalog, path: UpgradePath, until: int | None = None) -> dict[str, str]:
    """New names of views and dictionaries by those that they have, as migrations say them. ``until``: no migration of a
    later version.

    Raises ``MigrationError`` where a table is to become one.
    """
    found = _renamed(catalog, path, until)
    views = {item.name: item.noun for item in declared_views(schema)}
    for old, new in sorted(found.items()):
        if new in views and catalog.get(new) is None and isinstance(catalog.objects[old].form, TableForm):
            problem = (
                f"is to be renamed to {new}, which is declared as a {views[new]}: no table becomes one. Take it out of "
                f"the renames, and drop {old} where it is needed no longer ({allow_flag(f'drop-table {old}')})"
            )
            raise MigrationError(f"{schema.name}: table {old}", problem)
    tables = {table.name for table in schema.tables}
    return {old: new for old, new in found.items() if new not in tables and old != new and _renamable(catalog, old)}


def _renamed(catalog: Catalog, path: UpgradePath, until: int | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for version, renames in path.object_renames:
        if until is not None and version > until:
            break
        first = {last: live for live, last in found.items()}
        found |= {first.get(old, old): new for old, new in renames.items() if old in first or catalog.get(old)}
    return found


def views_replaced(
    schema: Schema, catalog: Catalog, path: UpgradePath, moved: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """For each new materialized view those that are declared no longer, and write what the same tables get into the
    same target. ``moved``: new names of tables by the present ones."""
    new = [item.name for item in schema.objects if catalog.get(item.name) is None]
    return _former(schema, catalog, path, moved, new)


def written_twice(schema: Schema, catalog: Catalog, path: UpgradePath, moved: Mapping[str, str]) -> list[str]:
    """Notes on such views beside one that is there: each row comes twice."""
    there = [item.name for item in schema.objects if catalog.get(item.name) is not None]
    return [
        f"the materialized view {old}, which is no longer declared, writes into "
        f"{written_table(catalog, old, moved)}, as {name} does: what is inserted may be "
        f"in it twice until {old} is dropped ({allow_flag(f'drop-view {old}')})"
        for name, olds in _former(schema, catalog, path, moved, there).items()
        for old in olds
    ]


def _former(
    schema: Schema, catalog: Catalog, path: UpgradePath, moved: Mapping[str, str], among: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    declared = {item.name for item in schema.objects}
    gone = [name for name in sorted(path.once_declared - declared) if _set_off(catalog, name)]
    found: dict[str, tuple[str, ...]] = {}
    for item in schema.objects if gone else ():
        if not isinstance(item, MaterializedView) or item.refresh or not item.to or item.name not in among:
            continue
        names = names_in_query(item.query)
        olds = tuple(
            old
            for old in gone
            if written_table(catalog, old, moved) == target_parts(item.to)[1]
            and {moved.get(source, source) for source in sources_of(catalog, old)} & names
        )
        if olds:
            found[item.name] = olds
            gone = [name for name in gone if name not in olds]
    return found


def sources_of(catalog: Catalog, view: str) -> list[str]:
    """The tables that set off a materialized view."""
    place = f"{catalog.database}.{view}"
    return [name for name, live in catalog.objects.items() if place in live.dependents]


def written_table(catalog: Catalog, view: str, moved: Mapping[str, str]) -> str:
    """The table of the database that a materialized view writes into, by its new name; '' for none."""
    live = catalog.get(view)
    if live is None or not isinstance(live.form, ViewForm) or not live.form.to:
        return ""
    database, name = target_parts(live.form.to)
    return moved.get(name, name) if database in (None, catalog.database) else ""


def rename_views(
    renamed: Mapping[str, str], catalog: Catalog, topology: Topology, replaced: Mapping[str, tuple[str, ...]]
) -> Routine[RenamedViews]:
    """The steps that rename them. ``replaced``: of ``views_replaced``; the first of each is renamed."""
    pairs = {**{olds[0]: new for new, olds in replaced.items()}, **renamed}
    cache = RehearsalCache()
    found: list[Step] = []
    taken: dict[str, TakenPlace] = {}
    notes: list[str] = []
    for old, new in _in_order(pairs, catalog):
        if isinstance(catalog.objects[old].form, DictionaryForm):
            # One that is there under both names was made beside the old one before.
            readers_now = yield from readers_of(catalog.database, old)
            if readers_now or catalog.get(new) is not None:
                notes += [stays_beside(old, new, readers_now)] if catalog.get(new) is None else []
                continue
        others = replaced.get(new, ())[1:]
        step, readers = yield from _rename(old, new, catalog, topology)
        step = yield from rename_with_policies(cache, catalog.database, old, step, topology)
        if old not in renamed:
            step = _instead(step, old, written_table(catalog, old, {}), others)
            taken[new] = TakenPlace(old, isinstance(step.work, ReplaceWork) and not topology.reached)
        found.append(step)
        if catalog.get(new) is None:
            catalog = _after(catalog, old, new, readers)
    return RenamedViews(tuple(found), catalog, taken, tuple(notes))


def _renamable(catalog: Catalog, name: str) -> bool:
    live = catalog.get(name)
    return live is not None and isinstance(live.form, ViewForm | DictionaryForm)


def _set_off(catalog: Catalog, name: str) -> bool:
    """True for a materialized view that INSERTs set off, and that writes into a table of its own name."""
    live = catalog.get(name)
    form = live.form if live is not None else None
    return isinstance(form, ViewForm) and form.materialized and not form.refresh and bool(form.to)


def _in_order(pairs: Mapping[str, str], catalog: Catalog) -> list[tuple[str, str]]:
    """The end of a chain first: its new name is free."""
    waiting = {old: new for old, new in sorted(pairs.items()) if _renamable(catalog, old)}
    ordered: list[tuple[str, str]] = []
    while waiting:
        old = next((old for old, new in waiting.items() if new not in waiting), next(iter(waiting)))
        ordered.append((old, waiting.pop(old)))
    return ordered


def _rename(old: str, new: str, catalog: Catalog, topology: Topology) -> Routine[tuple[Step, Mapping[str, ViewForm]]]:
    """The step, and the materialized views that read it by its new name from then on."""
    database, live = catalog.database, catalog.objects[old]
    noun = "materialized view" if isinstance(live.form, ViewForm) and live.form.materialized else live.form.kind
    sql = rename_table(qualified(database, old), qualified(database, new))
    hazard = Hazard("old-code-breaks", f"code and views that read {old} fail")
    words = f"{noun} {old} is renamed to {new}"
    step = Step(f"{new}:rename", new, words, "alter", [sql], ReplaceWork((sql,)), (hazard,))
    if why := (yield from _obstacle(old, new, catalog, noun)):
        return replace(step, blocked=why), {}
    readers = {
        name: form
        for name, other in catalog.objects.items()
        if name != old and isinstance(other.form, ViewForm) and other.form.materialized and not other.form.refresh
        if (form := following(other.form, old, new, database)) != other.form
    }
    if not readers:
        return step, {}
    # In between an INSERT that sets them off would be refused, with rows that are in its table already.
    sources: dict[str, None] = {}
    for name in readers:
        fenced = yield from fenced_sources(catalog, name, topology)
        if not fenced or topology.reached:
            lost = f"INSERTs that set off {name} fail until it names {new}, and their rows may be in the table already"
            return replace(step, hazards=(hazard, Hazard("holds-up-writers", lost, f"replace-view {name}"))), {}
        sources |= dict.fromkeys(fenced)
    again = (query_again(database, name, form.query, form.columns) for name, form in readers.items())
    # Each may be sent again behind a kill.
    renaming = rename_table(qualified(database, old), qualified(database, new), if_exists=True)
    work = BackfillWork(next(iter(readers)), (renaming, *again), tuple(sources))
    hazards = (hazard, *(yield from backfill_hazards(work)))
    return replace(step, work=work, sql=backfill_lines(work), hazards=hazards), readers


def _obstacle(old: str, new: str, catalog: Catalog, noun: str) -> Routine[str]:
    """Why the server would not rename it; '' where it would."""
    there = catalog.get(new)
    if there is not None:
        writes = written_table(catalog, old, {})
        both = f", and both write into {writes}" if writes and writes == written_table(catalog, new, {}) else ""
        way = f"Drop the one that is not to stay ({drop('VIEW', qualified(catalog.database, old))})"
        return f"a {there.form.kind} {new} is there beside the {noun} {old}{both}. {way}, and run again"
    rows = yield Query(
        "SELECT d, n FROM system.tables ARRAY JOIN loading_dependent_database AS d, loading_dependent_table AS n"
        " WHERE database = {database:String} AND name = {name:String} ORDER BY d, n",
        {"database": catalog.database, "name": catalog.called.get(old, old)},
    )
    needed = ", ".join(f"{text(row[0])}.{text(row[1])}" for row in rows)
    said = f"{needed} cannot be loaded without {old}: the server does not rename it. Change or drop"
    return f"{said} {'them' if ', ' in needed else 'it'} first" if needed else ""


def _instead(step: Step, old: str, target: str, others: Sequence[str]) -> Step:
    """The step for a view of which nobody has said that it is the new one: it takes its place all the same."""
    why = (
        f"{old}, which is no longer declared, writes into {target} as well: beside it each row would come twice. It "
        f"becomes {step.object}, which is declared"
    )
    blocked = f"{', '.join(others)} writes into {target} as well: drop it first" if others else ""
    hazard = Hazard("old-code-breaks", why, f"drop-view {old}")
    return replace(step, hazards=(*step.hazards, hazard), blocked=step.blocked or blocked)


def _after(catalog: Catalog, old: str, new: str, readers: Mapping[str, ViewForm]) -> Catalog:
    places = {f"{catalog.database}.{old}": f"{catalog.database}.{new}"}
    objects: dict[str, LiveObject] = {}
    for name, live in catalog.objects.items():
        form = readers.get(name, live.form)
        dependents = tuple(sorted(places.get(place, place) for place in live.dependents))
        if name != old:
            said = live.text if form == live.form else form_sql(form, catalog.database, name)
            objects[name] = replace(live, form=form, text=said, dependents=dependents)
            continue
        said = form_sql(form, catalog.database, new)
        objects[new] = replace(live, name=new, form=replace(form, name=new), text=said, dependents=dependents)
    views = catalog.views
    if views is not None:
        views = tuple(sorted(each._replace(name=new) if each.name == old else each for each in views))
    called = {**catalog.called, new: catalog.called.get(old, old)}
    called.pop(old, None)
    return replace(catalog, objects=objects, views=views, called=called)
