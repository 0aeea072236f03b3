"""What a declared view or dictionary reads, by the names in its text: for the order in which they are made. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

from aaiclick.catalog.forms import Catalog, ViewForm
from aaiclick.catalog.render import target_parts
from aaiclick.catalog.view_sources import names_in_query
from aaiclick.plan.dependents.dictionaries import clickhouse_source
from aaiclick.plan.model import Step
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

Declared: TypeAlias = View | MaterializedView | Dictionary

_ENDS_FROM = frozenset(
    {"SELECT", "PREWHERE", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SETTINGS"}
)


def names_of(item: Declared) -> frozenset[str]:
    """All names in a definition: more than it reads, never less."""
    if not isinstance(item, Dictionary):
        return names_in_query(item.query)
    # The whole query of a dictionary is one string of its source.
    return names_in_query(item.source) | names_in_query(clickhouse_source(item.source).get("QUERY", ""))


def tables_of(item: Declared) -> frozenset[str]:
    """Those that stand where a table, a view or a dictionary can: behind FROM, JOIN and IN, and in strings. A column
    that is called like a view is not among them."""
    if not isinstance(item, Dictionary):
        return _tables(item.query)
    query = clickhouse_source(item.source).get("QUERY")
    return _tables(query) if query is not None else names_of(item)


def set_off_by(names: Collection[str], items: Sequence[Declared], catalog: Catalog) -> dict[str, str]:
    """The declared views that are there, and that INSERTs into one of these tables set off, each with its table."""
    found: dict[str, str] = {}
    for item in items:
        live = catalog.get(item.name)
        form = live.form if live is not None else None
        follows = isinstance(form, ViewForm) and form.materialized and not form.refresh
        if isinstance(form, ViewForm) and follows and (read := sorted(_tables(form.query) & set(names))):
            found[item.name] = read[0]
    return found


def written_by(names: Collection[str], items: Sequence[Declared], catalog: Catalog) -> dict[str, str]:
    """The declared materialized views that are there, and that write into one of these tables, each with its table."""
    found: dict[str, str] = {}
    for item in items:
        live = catalog.get(item.name)
        if live is not None and isinstance(live.form, ViewForm) and live.form.materialized and live.form.to:
            database, name = target_parts(live.form.to)
            if name in names and database in (None, catalog.database):
                found[item.name] = name
    return found


def first_ready(waiting: Sequence[Declared]) -> Declared | None:
    """The first that reads none of the others; None where they read each other in a circle.

    Its own name in its text is no reason to wait: a column may be called like that. Nor is that of another one where
    nothing else is left: then only those names count that stand where a table can.
    """
    names = {item.name for item in waiting}
    return next(
        (item for reads in (names_of, tables_of) for item in waiting if not (reads(item) & names) - {item.name}), None
    )


def in_reading_order(steps: Sequence[Step], items: Sequence[Declared]) -> tuple[Step, ...]:
    """The steps of these, each behind those of what its definition names: a view gets a query over another one that is
    new, or over an attribute that a dictionary gets. Else in their order."""
    made = {step.object: step for step in steps}
    declared = {item.name: item for item in items}
    waiting = [declared[name] for name in made]
    ordered: list[Step] = []
    while waiting:
        ready = first_ready(waiting) or waiting[0]  # of a circle the server says what is wrong
        waiting.remove(ready)
        ordered.append(made[ready.name])
    return tuple(ordered)


def with_their_sources(names: Collection[str], items: Sequence[Declared]) -> frozenset[str]:
    """These, and the declared views and dictionaries that they name, also through others."""
    declared = {item.name: item for item in items}
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found |= waiting
        named = {name for each in waiting & set(declared) for name in names_of(declared[each])}
        waiting = (named & set(declared)) - found
    return frozenset(found)


def _tables(query: str) -> frozenset[str]:
    try:
        tokens = Tokens(query)
    except TokenError:
        return frozenset()
    found: set[str] = set()
    table = listed = False
    outside: list[bool] = []
    for place, token in enumerate(tokens.items):
        word = token.text.upper() if token.kind == "word" else ""
        if token.kind == "string":
            found.add(unquote(token.text).rpartition(".")[2])
        elif token.kind == "open":
            outside.append(listed)
        elif token.kind == "close":
            # A comma behind a subquery goes on with the list that this stands in.
            table, listed = False, outside.pop()
        elif word in ("FROM", "JOIN", "IN"):
            table = not (word == "JOIN" and tokens.is_word(place - 1, "ARRAY"))
            listed = word != "IN"
        elif word in _ENDS_FROM:
            table = listed = False
        elif token.text == "," and listed:
            table = True
        elif table and token.kind in ("word", "name"):
            # Not only the first of the two in db.table: which of them is meant need not be known.
            found.update(identifier(tokens, place)[0])
            table = False
    return frozenset(found)
