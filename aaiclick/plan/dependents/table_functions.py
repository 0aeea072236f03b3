"""Plain views that read a table through a table function: ``merge('db', '^t')``, ``remote('host', 'db', 't')``.

Their text does not name it as a table, so they cannot be analysed over a clone of it before it changes. They are made
anew behind the change: the server then works out the types of their columns from what is there. One that names a column
which none of its tables has then blocks it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from aaiclick.catalog.forms import Catalog, DictionaryForm, Form, LiveObject, TableForm, ViewForm
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.diff.hazards import Hazard
from aaiclick.plan.dependents.database_after import Effect, Read, columns_today
from aaiclick.plan.dependents.dependents import Dependent, Place, places_named, reached_from, recreate_view
from aaiclick.plan.dependents.plain_views import blocked_dependent, display_name, step_without
from aaiclick.plan.dependents.undeclared_of_views import comments_again
from aaiclick.plan.model import Step
from aaiclick.plan.steps import statements_step
from aaiclick.routine import Query, Routine, text
from aaiclick.sql.hex_text import hexed
from aaiclick.sql.tokens import TokenError, Tokens, unquote

_WITH_COLUMNS = (
    "SELECT table, name FROM system.columns WHERE database = unhex({db:String})"
    " AND has(splitByChar(',', {names:String}), hex(name)) ORDER BY table, name"
)
_FUNCTIONS = frozenset({"merge", "remote", "remotesecure", "cluster", "clusterallreplicas"})


def made_anew_behind(
    dependents: Collection[Dependent], catalog: Catalog, tables: Mapping[str, Read]
) -> Routine[tuple[Step, ...]]:
    """A step for each of these views that reads a table whose columns change, and stores what its query gives today.
    One that was given other types keeps them."""
    changed = frozenset(name for name, form in tables.items() if _other_columns(catalog, name, form))
    found: list[Step] = []
    plain = [dependent for dependent in dependents if dependent.noun == "view" and dependent.columns]
    direct = {
        dependent.place: names
        for dependent in plain
        if (names := read_through_functions(dependent.query, catalog.database, changed))
    }
    # What each view that is made anew loses: those that read it store its columns in their turn.
    remade: dict[Place, frozenset[str]] = {}
    for dependent in _with_readers(plain, direct):
        read = sorted(places_named(dependent.query) & remade.keys())
        names = (*direct.get(dependent.place, ()), *(name for _, name in read))
        if not names:
            continue
        gone = frozenset[str]().union(*(remade[place] for place in read))
        if dependent.place in direct:
            gone |= yield from _lost(dependent, catalog, tables, direct[dependent.place])
        if lost := sorted(gone & names_in_query(dependent.query)):
            reason = f"it names {', '.join(lost)}, which no table has then that it reads. Change or drop it first"
            found.append(blocked_dependent(dependent, catalog.database, reason))
            continue
        now = yield from columns_today(dependent)
        # A view that was made with types of its own keeps them: made anew without a list it would get those of its
        # query.
        if now is None or any(now.get(column.name) != column.type for column in dependent.columns):
            continue
        remade[dependent.place] = gone & {column.name for column in dependent.columns}
        name = display_name(dependent, catalog.database)
        again = comments_again(dependent.database, dependent.name, dependent.columns)
        gap = Hazard(
            "readers-see-gap",
            f"until it is made anew, {name} gives the values of {', '.join(names)} in their old types",
        )
        words = f"{dependent.noun} as its query gives it: it reads {', '.join(names)}"
        found.append(statements_step(f"{name}:anew", name, words, (recreate_view(dependent, None), *again), (gap,)))
    return tuple(found)


def with_followers(
    effects: Collection[Effect], catalog: Catalog, tables: Mapping[str, Read], rewritten: Collection[str]
) -> tuple[Catalog, dict[str, Read]]:
    """The catalogue and the tables that change, with the views and Alias tables whose columns follow: a function names,
    or matches, these as well. ``rewritten``: views that get another query, behind all that is made anew here."""
    objects, forms = dict(catalog.objects), dict(tables)
    for effect in effects:
        view = effect.dependent
        if view.database != catalog.database or view.name in (*forms, *rewritten):
            continue
        if view.noun == "view" and view.columns != effect.columns:
            was = TableForm(view.name, "View", view.columns)
            objects[view.name] = LiveObject(catalog.database, view.name, was, view.text, "View")
            forms[view.name] = replace(was, columns=effect.columns)
        behind = [name for place, name in places_named(view.query) if view.alias and place == catalog.database]
        for name in behind:
            if name in objects and name in forms:
                objects[view.name], forms[view.name] = replace(objects[name], name=view.name), forms[name]
    return replace(catalog, objects=objects), forms


def _with_readers(views: Collection[Dependent], first: Collection[Place]) -> list[Dependent]:
    """These views and all that read them, also through others; each behind what it reads."""
    read = {view.place: places_named(view.query) - {view.place} for view in views}
    wanted = reached_from(first, read.items())
    waiting = [view for view in views if view.place in wanted]
    ordered: list[Dependent] = []
    while waiting:
        left = {view.place for view in waiting}
        ready = next((view for view in waiting if not read[view.place] & left), waiting[0])
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def read_through_functions(query: str, database: str, tables: Collection[str]) -> tuple[str, ...]:
    """Which of these tables of ``database`` the arguments of a table function in the query name, or match."""
    found: set[str] = set()
    for function, pattern, texts in _calls(query):
        if function == "merge":
            # The server writes the database in front where none was said.
            with suppress(re.error):
                here = len(texts) > 1 and (re.search(texts[0], database) if pattern else texts[0] == database)
                found |= {name for name in tables if here and re.search(texts[1], name)}
        else:
            found |= {name for name in tables if (database in texts and name in texts) or f"{database}.{name}" in texts}
    return tuple(sorted(found))


def _calls(query: str) -> Iterator[tuple[str, bool, list[str]]]:
    """Each call with its texts and bare names (``merge(db, '^t')``), and whether it begins with ``REGEXP(...)``. A name
    with its database in front is that of a table, and followed as such."""
    try:
        tokens = Tokens(query)
    except TokenError:
        return
    for place, token in enumerate(tokens.items):
        function = token.text.lower()
        if token.kind == "word" and function in _FUNCTIONS and tokens.is_op(place + 1, "("):
            texts: list[str] = []
            for first, end in tokens.split(place + 2, tokens.match[place + 1]):
                bare = end == first + 1 and tokens.is_kind(first, "word", "name")
                inside = tokens.items[first:end]
                texts += [unquote(each.text) for each in inside if bare or each.kind == "string"]
            yield function, tokens.is_word(place + 2, "REGEXP"), texts


def behind_drop(
    step: Step, column: str, left: TableForm, dependents: Collection[Dependent], catalog: Catalog
) -> Routine[tuple[Step, ...]]:
    """Steps for views over ``merge`` that store a column in their list which an optional step drops; or that step with
    the reason against it. ``left``: its table without the column."""
    table, found = left.name, list[Step]()
    direct = [view.place for view in dependents if read_through_functions(view.query, catalog.database, {table})]
    remade: set[Place] = set()
    for dependent in _with_readers(dependents, direct):
        shows = column in names_in_query(dependent.query) or any(each.name == column for each in dependent.columns)
        through = shows and places_named(dependent.query) & remade
        lost = dependent.place in direct and column in (yield from _lost(dependent, catalog, {table: left}, (table,)))
        if not (through or lost):
            continue
        name = display_name(dependent, catalog.database)
        now = yield from columns_today(dependent)
        if now is None:
            continue  # it fails today as well
        if column in names_in_query(dependent.query):
            return (replace(step, blocked=f"the view {name} names {column}, which no table has then that it reads"),)
        if any(now.get(each.name) != each.type for each in dependent.columns):
            return (replace(step, blocked=f"the view {name} names {column} in a list of its own"),)
        remade.add(dependent.place)
        again = comments_again(dependent.database, dependent.name, dependent.columns)
        statements = (recreate_view(dependent, None), *again)
        found.append(step_without(step, dependent, name, f"{table}.{column}", (column,), statements))
    return tuple(found)


def _lost(
    dependent: Dependent, catalog: Catalog, tables: Mapping[str, Read], changed: Collection[str]
) -> Routine[frozenset[str]]:
    """Columns that the view names or stores, that these tables lose, and that none of the tables has then which it
    reads. None where it also reads tables of a host that it names: that may be another one, with a table of the same
    name."""
    query = dependent.query
    if any(function != "merge" for function, _, _ in _calls(query)):
        return frozenset()
    gone = {name for each in changed if (live := catalog.get(each)) is not None for name in _columns(live.form)}
    gone -= {name for each in changed for name in _columns(tables[each])}
    gone &= names_in_query(query) | {column.name for column in dependent.columns}
    if not gone:
        return frozenset()
    rows = yield Query(_WITH_COLUMNS, {"db": hexed(catalog.database), "names": ",".join(map(hexed, sorted(gone)))})
    others = [(text(row[0]), text(row[1])) for row in rows if text(row[0]) not in changed]
    read = read_through_functions(query, catalog.database, {name for name, _ in others})
    return frozenset(gone - {column for name, column in others if name in read})


def _columns(form: Form | None) -> set[str]:
    if not isinstance(form, TableForm | ViewForm | DictionaryForm):
        return set()
    return {column.name for column in form.columns}


def _other_columns(catalog: Catalog, name: str, form: Read) -> bool:
    live = catalog.get(name)
    if form is None or live is None or not isinstance(live.form, TableForm):
        return False
    return [(each.name, each.type) for each in form.columns] != [(each.name, each.type) for each in live.form.columns]
