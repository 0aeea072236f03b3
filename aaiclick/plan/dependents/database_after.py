"""The database as a plan will leave it, empty and in scratch, and what the queries of views and dictionaries yield
there.

The queries are analysed over clones of the new tables, views over other views. Tables that the plan does not change
are used where they are: nothing is run, so only their columns are read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from aaiclick.catalog.forms import Catalog, ColumnForm, DictionaryForm, LiveObject, TableForm, ViewForm
from aaiclick.catalog.render import column_form_sql
from aaiclick.catalog.scratch import Scratch, with_scratch
from aaiclick.catalog.scratch_objects import make, make_as_it_stands, read_forms, sentence
from aaiclick.catalog.view_sources import names_in_query, source_sql
from aaiclick.clickhouse.refusable import rows_or_refusal
from aaiclick.plan.dependents.dependents import Dependent, Place, places_named, relocated
from aaiclick.plan.dependents.lossless_conversions import fits
from aaiclick.plan.dependents.name_capture import taken_over
from aaiclick.plan.dependents.undeclared_of_views import with_comments
from aaiclick.routine import Command, Query, Routine, text
from aaiclick.sql.ddl import create, create_view, drop
from aaiclick.sql.quoting import qualified, quote_string
from aaiclick.sql.types import as_defined

Read: TypeAlias = TableForm | DictionaryForm | None
"""What queries read under a name: a table or a dictionary; None for one that is gone or renamed."""


@dataclass(frozen=True, slots=True)
class DatabaseAfter:
    """What the plan does to the database.

    ``tables`` are the tables and dictionaries that change, as they will be, by name. ``queries`` are new
    queries of views, without the database in them. ``always`` are views that are examined whatever they read.
    """

    catalog: Catalog
    tables: Mapping[str, Read]
    queries: Mapping[str, str] = field(default_factory=dict[str, str])
    always: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a plan does to an object that reads its tables."""

    dependent: Dependent
    """The object."""
    fresh: tuple[ColumnForm, ...]
    """Columns that its query yields after the plan."""
    now: Mapping[str, str]
    """Type of each column that it yields today; empty where the engine cannot tell."""
    columns: tuple[ColumnForm, ...]
    """Columns that the view is to store."""
    refusal: str = ""
    """Why the engine would not analyse its query any more, though it does today; '' where it would."""
    taken_over: tuple[str, ...] = ()
    """Names in its query that mean a column of another table from then on."""

    @property
    def pinned(self) -> tuple[tuple[str, str, str], ...]:
        """Name, stored type and new type of columns whose stored type cannot hold what the query will yield."""
        fresh = {column.name: column.type for column in self.fresh}
        return tuple(
            (column.name, column.type, fresh[column.name])
            for column in self.columns
            if column.name in fresh
            and not fits(fresh[column.name], column.type)
            and self.now.get(column.name) != fresh[column.name]
        )


def affected(dependents: Sequence[Dependent], after: DatabaseAfter) -> list[Dependent]:
    """The objects that read what changes, also through others, and those that are always examined. What one reads comes
    before it."""
    database = after.catalog.database
    named = {dependent.query: _places(dependent, after) for dependent in dependents}
    touched: set[Place] = {(database, name) for name in after.tables}
    chosen = [
        dependent for dependent in dependents if dependent.database == database and dependent.name in after.always
    ]
    # Until nothing more is found: a view may read a view that reads a table.
    while True:
        known = {*touched, *(dependent.place for dependent in chosen)}
        rest = [dependent for dependent in dependents if dependent not in chosen]
        more = [
            dependent
            for dependent in rest
            if dependent.target in touched or named[dependent.query] & (known - {dependent.place})
        ]
        if not more:
            break
        chosen += more
    ordered: list[Dependent] = []
    waiting = sorted(chosen, key=lambda dependent: (dependent.place, dependent.query))
    while waiting:
        left = {dependent.place for dependent in waiting if dependent.view or dependent.alias}
        # Where they read each other in a circle any order will do: the engine could not create them anyway.
        ready = [
            dependent for dependent in waiting if not named[dependent.query] & (left - {dependent.place})
        ] or waiting[:1]
        ordered += ready
        waiting = [dependent for dependent in waiting if dependent not in ready]
    return ordered


def _places(dependent: Dependent, after: DatabaseAfter) -> frozenset[Place]:
    """What its query names, and the one that it gets."""
    own = after.catalog.database
    query = after.queries.get(dependent.name, "") if dependent.database == own else ""
    return places_named(dependent.query) | {(own, name) for name in names_in_query(query)}


def reading(dependents: Sequence[Dependent], table: str, names: Mapping[Place, Collection[str]]) -> list[Dependent]:
    """Those of ``affected`` that read the table, also through others, and what these read besides, in their order.
    ``names`` are the ``names_read`` of each."""
    reached: set[str] = {table}
    for dependent in dependents:
        if not reached.isdisjoint(names[dependent.place]):
            reached.add(dependent.name)
    wanted = reached - {table}
    # Backwards, because each comes behind what it reads: one pass finds what that reads in turn.
    for dependent in reversed(dependents):
        if dependent.name in wanted:
            wanted.update(names[dependent.place])
    return [dependent for dependent in dependents if dependent.name in wanted]


def names_read(dependent: Dependent, queries: Mapping[str, str]) -> frozenset[str]:
    """Names in its query and in the one that it gets: more than it reads, never less."""
    return names_in_query(dependent.query) | names_in_query(queries.get(dependent.name, ""))


def effects(dependents: Sequence[Dependent], after: DatabaseAfter) -> Routine[tuple[Effect, ...]]:
    """The effect on each of the objects, which are in the order of what they read."""

    def body(scratch: Scratch) -> Routine[tuple[Effect, ...]]:
        database = after.catalog.database
        moved: dict[Place, Place] = {}
        # A table that none of them names is not made: with many tables that would be most of the work.
        named = {name for dependent in dependents for name in names_read(dependent, after.queries)}
        named |= {dependent.target[1] for dependent in dependents if dependent.target}
        for name, form in after.tables.items():
            if name not in named:
                continue
            moved[database, name] = (scratch.database, scratch.name(name))
            # Under its new name a table that is renamed is not in the catalogue yet.
            live = after.catalog.get(name) or LiveObject(database, name, ViewForm(name, ""), "", "")
            if form is not None and (sql := source_sql(scratch, replace(live, name=name, form=form))):
                yield from make_as_it_stands(scratch, sql)
            # One that is not loaded without its source (LAYOUT(DIRECT())) tells no types: the live one has to do.
            if isinstance(form, DictionaryForm) and not (yield from _loads(scratch, name)):
                del moved[database, name]
        yield from _make_unchanged(scratch, dependents, after)
        changed = _names_changed(after)
        found: list[Effect] = []
        for dependent in dependents:
            effect = yield from _effect(scratch, dependent, after, moved)
            # A view with a new query means what it says there.
            if not effect.refusal and dependent.query and _keeps_query(dependent, after):
                # Where the view itself is in scratch by now matters to those that read it.
                names = yield from taken_over(dependent.query, relocated(dependent.query, moved), changed, moved)
                effect = replace(effect, taken_over=names)
            if dependent.alias and (behind := places_named(dependent.query) & changed.keys()):
                changed[dependent.place] = frozenset[str]().union(*(changed[place] for place in behind))
            # A name that this view gains or loses may mean another column in the views that read it.
            shown = {column.name for column in effect.columns} ^ {column.name for column in dependent.columns}
            if dependent.view and shown:
                changed[dependent.place] = frozenset(shown)
            found.append(effect)
        return tuple(found)

    return (yield from with_scratch(body, fallback=after.catalog.database)) if dependents else ()


def _loads(scratch: Scratch, name: str) -> Routine[bool]:
    return (yield from rows_or_refusal(Query(f"SELECT count() FROM {scratch.sql_name(name)}"))) is not None


def _names_changed(after: DatabaseAfter) -> dict[Place, frozenset[str]]:
    """The names of columns that only one of the two has, the table as it is and as it will be."""
    database = after.catalog.database
    found: dict[Place, frozenset[str]] = {}
    for name, form in after.tables.items():
        live = after.catalog.get(name)
        if form is not None and live is not None and isinstance(live.form, TableForm | DictionaryForm):
            names = {column.name for column in form.columns} ^ {column.name for column in live.form.columns}
            if names:
                found[database, name] = frozenset(names)
    return found


def _keeps_query(dependent: Dependent, after: DatabaseAfter) -> bool:
    return dependent.database != after.catalog.database or dependent.name not in after.queries


def _make_unchanged(scratch: Scratch, dependents: Sequence[Dependent], after: DatabaseAfter) -> Routine[None]:
    """What new queries name besides: they say no database, so they are analysed over objects in scratch alone."""
    own = {
        dependent.name
        for dependent in dependents
        if dependent.database == after.catalog.database and (dependent.view or dependent.alias)
    }
    read = {name for query in after.queries.values() for name in names_in_query(query)} - own - set(after.tables)
    for name in sorted(read):
        live = after.catalog.get(name)
        if live is None:
            continue
        if isinstance(live.form, ViewForm):
            yield from make(
                scratch,
                create_view(
                    scratch.sql_name(name),
                    f"SELECT * FROM {qualified(live.database, after.catalog.called.get(name, name))}",
                ),
            )
        elif sql := source_sql(scratch, live):
            yield from make_as_it_stands(scratch, sql)


def _effect(scratch: Scratch, dependent: Dependent, after: DatabaseAfter, moved: dict[Place, Place]) -> Routine[Effect]:
    own = dependent.database == after.catalog.database
    if not dependent.query:
        return Effect(dependent, (), {}, dependent.columns)
    name = dependent.name if own else f"{dependent.name}~{dependent.database}"
    taken = set(moved.values())
    # A table with columns of its own has a clone of its name in scratch, where a new query reads it or the plan changes
    # it.
    if (scratch.database, scratch.name(name)) in taken or not (dependent.view or dependent.alias):
        name += "~view"
    new = after.queries.get(dependent.name) if own else None
    query = relocated(dependent.query, moved) if new is None else new
    # The server writes the database in front of all that a view reads. What an ALIAS of a live table asks by joinGet
    # may have none, and is not in scratch.
    error = yield from make(scratch, create_view(scratch.sql_name(name), query), inside=new is not None)
    now = (yield from columns_today(dependent)) if dependent.columns or error is not None else None
    if error is not None:
        # One that cannot be analysed today either is not broken by this plan.
        refusal = sentence(scratch, error) if now is not None else ""
        return Effect(dependent, (), now or {}, dependent.columns, refusal)
    form = (yield from read_forms(scratch, [name])).get(name)
    fresh = form.columns if isinstance(form, ViewForm) else ()
    declared = own and dependent.name in after.always
    # Whoever reads a dictionary or front table sees its own columns: the view was only made to analyse the query.
    if not dependent.view:
        yield Command(drop("VIEW", scratch.sql_name(name)))
        if dependent.alias:
            yield from _make_alias(scratch, dependent, name, moved)
        return Effect(dependent, fresh, now or {}, dependent.columns)
    columns = (
        with_comments(fresh, dependent.columns)
        if declared or dependent.form is not None
        else _columns(dependent.columns, fresh, now or {}, "*" in dependent.query)
    )
    # What reads this view reads the types that it stores, not those of its query.
    if columns != fresh and columns:
        listed = ", ".join(column_form_sql(column) for column in columns)
        yield Command(drop("VIEW", scratch.sql_name(name)))
        yield from make(scratch, create_view(scratch.sql_name(name), query, listed), inside=new is not None)
    moved[dependent.place] = (scratch.database, scratch.name(name))
    return Effect(dependent, fresh, now or {}, columns)


def _make_alias(scratch: Scratch, dependent: Dependent, name: str, moved: dict[Place, Place]) -> Routine[None]:
    """Whoever reads an Alias reads what is behind it, as that will be, with its MATERIALIZED and ALIAS columns."""
    for behind in places_named(dependent.query) & moved.keys():
        engine = f"ENGINE = Alias({', '.join(map(quote_string, moved[behind]))})"
        error = yield from make(scratch, create("TABLE", scratch.sql_name(name), engine))
        moved[dependent.place] = (scratch.database, scratch.name(name)) if error is None else moved[behind]


def columns_today(dependent: Dependent) -> Routine[dict[str, str] | None]:
    """Type of each column that the query yields today, by name; None where the engine cannot analyse it."""
    rows = yield from rows_or_refusal(Query(f"DESCRIBE TABLE ({dependent.query})"))
    if rows is None:
        return None
    return {text(row[0]): as_defined(text(row[1])) for row in rows}


def _columns(
    stored: Collection[ColumnForm], fresh: Sequence[ColumnForm], now: Mapping[str, str], everything: bool
) -> tuple[ColumnForm, ...]:
    """Columns that a view which nobody declares is to store.

    A column that has the type of the query follows the query. One that was given another type keeps it. New columns
    are added where the view stores all that its query yields, or where its query is ``SELECT *`` and no stored type
    differs: then it is only older than the table's last columns.
    """
    kept = {column.name: column for column in stored}
    plain = all(column.type == now.get(column.name) for column in stored)
    whole = set(kept) == set(now) or not now or (plain and everything)
    found: list[ColumnForm] = []
    for column in fresh:
        old = kept.get(column.name)
        if old is None:
            if whole:
                found.append(column)
        elif now and old.type != now.get(column.name):
            found.append(old)
        else:
            found.append(replace(old, type=column.type))
    return tuple(found)
