"""Objects that read or write a column which may be dropped by name.

Views that read it are examined one by one. The engine accepts the drop of a column into which a materialized view
writes, and silently discards its values from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from aaiclick.catalog.forms import Catalog, TableForm
from aaiclick.clickhouse.messages import first_line
from aaiclick.clickhouse.topology import SINGLE, Topology
from aaiclick.plan.dependents.buffer_distributed_columns import DROP, guard_fronts
from aaiclick.plan.dependents.database_after import DatabaseAfter, Effect, affected, effects, names_read, reading
from aaiclick.plan.dependents.dependents import Dependent, Place, as_called, recreate_view, spans
from aaiclick.plan.dependents.dictionaries import read_dictionaries
from aaiclick.plan.dependents.plain_views import display_name, step_without
from aaiclick.plan.dependents.read import read_views
from aaiclick.plan.dependents.table_functions import behind_drop
from aaiclick.plan.dependents.undeclared_of_views import with_comments
from aaiclick.plan.model import Step
from aaiclick.plan.operations import BackfillWork, CreateWork, ReplaceWork
from aaiclick.plan.undeclared_columns import behind_readers
from aaiclick.routine import Routine
from aaiclick.sql.ddl import replacing
from aaiclick.sql.tokens import TokenError, Tokens, unquote


@dataclass(frozen=True, slots=True)
class BeforeDrop:
    """The state before a column is dropped."""

    targets: Mapping[str, TableForm]
    """The tables that differ, as they are then."""
    views: Sequence[Step]
    """The steps that make views, or give them another definition."""
    queries: Mapping[str, str]
    """The queries that views which are there get."""
    topology: Topology = SINGLE
    """The hosts, each of which may have a table in front of one that loses a column."""
    new: Mapping[str, str] = field(default_factory=dict[str, str])
    """The queries of plain views that are made before that."""
    writing: Sequence[Dependent] = ()
    """Materialized views that are made before that, and may show whatever their tables have."""

    def made(self, database: str) -> dict[str, tuple[Dependent, Step]]:
        """Plain views that are new, as they will be, each with the step that makes it once more."""
        found: dict[str, tuple[Dependent, Step]] = {}
        for step in self.views:
            query = self.new.get(step.object)
            if query is not None and isinstance(step.work, CreateWork):
                again = (replacing(step.work.sql),)
                view = Dependent(database, step.object, step.work.sql, query, (), None, "", "view")
                found[step.object] = view, replace(step, sql=list(again), work=ReplaceWork(again))
        return found

    def recreated(self, dependents: Sequence[Dependent], database: str) -> dict[str, Step]:
        """Plain views that are replaced, each with its step."""
        plain = {
            dependent.name for dependent in dependents if dependent.noun == "view" and dependent.database == database
        }
        return {
            step.object: step
            for step in self.views
            if step.strategy == "replace" and step.object in plain and self.queries.get(step.object)
        }


def guard_drops(steps: Sequence[Step], catalog: Catalog, ahead: BeforeDrop) -> Routine[list[Step]]:
    """The optional steps, blocked where they would break something. After a drop come steps for views that show the
    column with all others."""
    steps = yield from guard_fronts(steps, catalog, ahead.targets, ahead.topology)
    database = catalog.database
    tables = tuple(sorted({step.object for step in steps if DROP in step.id and not step.blocked}))
    if not tables:
        return list(behind_readers(steps))
    made = ahead.made(database)
    # With those that this plan makes: the drops come behind all of them.
    there = as_called((yield from read_views(database)), catalog)
    dependents = (*there, *(view for view, _ in made.values()), *ahead.writing)
    lookups = yield from read_dictionaries(database, tables)
    replaced = {step.object for step in ahead.views}
    # Such a view is made once more behind the drop, from the statement that made it before: in between it may show the
    # column.
    recreated = {**ahead.recreated(dependents, database), **{name: step for name, (_, step) in made.items()}}
    # Views with a new query no longer read the column when it is dropped.
    others = [
        dependent
        for dependent in (*dependents, *lookups)
        if not (dependent.database == database and dependent.name in replaced)
    ]
    again_here = {(database, name) for name in recreated}
    views = [
        dependent
        for dependent in dependents
        if dependent in ahead.writing
        or dependent.alias
        or (dependent.noun == "view" and (dependent in others or dependent.place in again_here))
    ]
    readers = _readers(views, tables, catalog, ahead, recreated)
    found: list[Step] = []
    for step in steps:
        guarded = _guarded(step, others, database)
        again = (yield from _shown(guarded, readers)) if DROP in step.id and not guarded.blocked else ()
        if not any(each.blocked for each in again):
            again += yield from _merged(guarded, others, readers)
        found += [
            next((each for each in again if each.blocked), guarded),
            *(each for each in again if not each.blocked),
        ]
    return list(behind_readers(found))


@dataclass(frozen=True, slots=True)
class _Readers:
    """The views that read tables of which a column may go, worked out once for all of these columns."""

    before: DatabaseAfter
    """The database before any of the columns goes."""
    recreated: Mapping[str, Step]
    """Plain views that are replaced before that, each with its step."""
    of_table: Mapping[str, Sequence[Dependent]]
    """By table the views that read it, also through others, and what these read besides."""
    words: Mapping[str, set[str]]
    """All words of each of their queries."""
    new: frozenset[str]
    """Plain views that are made before that."""
    writing: Sequence[Dependent]
    """Materialized views that are made before that."""


def _readers(
    views: Sequence[Dependent],
    tables: Sequence[str],
    catalog: Catalog,
    ahead: BeforeDrop,
    recreated: Mapping[str, Step],
) -> _Readers:
    live = {name: there.form for name in tables if (there := catalog.get(name)) is not None}
    forms = {
        **ahead.targets,
        **{name: form for name, form in live.items() if isinstance(form, TableForm) and name not in ahead.targets},
    }
    queries = {name: query for name, query in {**ahead.queries, **ahead.new}.items() if name in recreated}
    queries |= {view.name: view.query for view in ahead.writing}
    before = DatabaseAfter(catalog, forms, queries, frozenset(queries))
    chosen = affected(views, before)
    names: dict[Place, frozenset[str]] = {dependent.place: names_read(dependent, queries) for dependent in chosen}
    of_table = {name: reading(chosen, name, names) for name in tables if name in forms}
    words = {dependent.query: _words(dependent.query) for dependent in chosen}
    return _Readers(before, recreated, of_table, words, frozenset(ahead.new), ahead.writing)


def _shown(step: Step, readers: _Readers) -> Routine[tuple[Step, ...]]:
    """Steps for views that read ``SELECT *`` but store the column in their list; or the drop itself with the reason
    against it."""
    table, _, column = step.id.partition(DROP)
    before, recreated, chosen = readers.before, readers.recreated, readers.of_table.get(table, ())
    form, database = before.tables.get(table), before.catalog.database
    # Without one of these no view can show or name the column, and nothing has to be made in scratch.
    if form is None or not any(
        _may_show(dependent, column) or dependent.name in recreated or column in readers.words[dependent.query]
        for dependent in chosen
    ):
        return ()
    left_over = replace(form, columns=tuple(each for each in form.columns if each.name != column))
    after = replace(before, tables={**before.tables, table: left_over})
    # What each view shows right before the drop, after all other steps, and what it shows behind it.
    ahead_of = {effect.dependent.place: effect for effect in (yield from effects(chosen, before))}
    found: list[Step] = []
    for effect in (yield from effects(chosen, after)):
        dependent = effect.dependent
        if dependent.alias:
            continue  # it has the columns of its table at any moment
        remade = recreated.get(dependent.name) if dependent.database == database else None
        earlier = ahead_of.get(dependent.place)
        # One that is older than the column gets it from a step before the drop.
        stored = {each.name for each in (*dependent.columns, *(earlier.columns if earlier is not None else ()))}
        shown = _names(earlier) if earlier is not None else []
        held = [name for name in shown if remade is not None or name in stored]
        left = _names(effect)
        if dependent in readers.writing:
            if column in shown and column not in left:
                words = f"the new {dependent.noun} {dependent.name} says *, and would keep {column}: name its columns"
                return (replace(step, blocked=words),)
            continue
        gone = [name for name in held if name not in left]
        name = display_name(dependent, database)
        # A view that the plan replaces anyway was tried with its new query, over the table without the column. A new
        # one may name a column that is live and not declared.
        fails = remade is None or (dependent.name in readers.new and not (earlier is not None and earlier.refusal))
        if effect.refusal and fails:
            return (replace(step, blocked=f"the {dependent.noun} {name} would fail ({first_line(effect.refusal)})"),)
        if column in effect.taken_over and remade is None:
            return (replace(step, blocked=f"the {dependent.noun} {name} would read another column {column}"),)
        if not effect.fresh or not gone:
            continue
        if remade is None and any(effect.now.get(each.name) != each.type for each in dependent.columns):
            return (replace(step, blocked=f"the {dependent.noun} {name} names {', '.join(gone)} in a list of its own"),)
        statements = _sent(remade) if remade is not None else [_recreated(effect)]
        found.append(step_without(step, dependent, name, f"{table}.{column}", gone, statements))
    return tuple(found)


def _merged(step: Step, dependents: Sequence[Dependent], readers: _Readers) -> Routine[tuple[Step, ...]]:
    """The same for views that read the table through a table function."""
    table, found, column = step.id.partition(DROP)
    form = readers.before.tables.get(table)
    if not found or step.blocked or not isinstance(form, TableForm):
        return ()
    left = replace(form, columns=tuple(each for each in form.columns if each.name != column))
    views = [dependent for dependent in dependents if dependent.noun == "view"]
    return (yield from behind_drop(step, column, left, views, readers.before.catalog))


def _recreated(effect: Effect) -> str:
    """In one statement, with a list of the columns where these have comments."""
    columns = with_comments(effect.fresh, effect.dependent.columns)
    return recreate_view(effect.dependent, columns if any(column.comment for column in columns) else None)


def _sent(step: Step) -> list[str]:
    """The statements themselves: what a step shows has no secrets."""
    match step.work:
        case ReplaceWork(statements=statements) | BackfillWork(statements=statements):
            return list(statements)
        case CreateWork(sql=sql):
            return [sql]
        case _:
            return list(step.sql)


def _may_show(dependent: Dependent, column: str) -> bool:
    """The view stores the column, or reads whatever its table has."""
    return "*" in dependent.query or any(each.name == column for each in dependent.columns)


def _names(effect: Effect) -> list[str]:
    return [each.name for each in effect.fresh]


def _guarded(step: Step, dependents: Sequence[Dependent], database: str) -> Step:
    _, found, column = step.id.partition(DROP)
    if not found or step.blocked:
        return step
    place = (database, step.object)
    writing = [
        dependent
        for dependent in dependents
        if dependent.target == place and any(each.name == column for each in dependent.columns)
    ]
    dictionaries = [
        dependent
        for dependent in dependents
        if dependent.noun == "dictionary" and spans(dependent.query, {place}) and column in _words(dependent.query)
    ]
    said = [f"the materialized view {dependent.name} writes {column}" for dependent in writing]
    said += [f"the dictionary {dependent.name} reads {column}" for dependent in dictionaries]
    return replace(step, blocked="; ".join(said)) if said else step


def _words(query: str) -> set[str]:
    try:
        return {unquote(token.text) for token in Tokens(query).items if token.kind in ("word", "name")}
    except TokenError:
        return set()
