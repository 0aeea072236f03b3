"""What a declared view or dictionary reads, by the names in its text: for the order in which they are created. Pure."""

from __future__ import annotations

from aaiclick.catalog.view_sources import names_in_query
from aaiclick.plan.dependents.dictionaries import source_of
from aaiclick.specs.views import Dictionary, MaterializedView, View
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

_ENDS_FROM = frozenset(
    {"SELECT", "PREWHERE", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "SETTINGS"}
)


def names_of(item: View | MaterializedView | Dictionary) -> frozenset[str]:
    """All names in a definition: more than it reads, never less."""
    if not isinstance(item, Dictionary):
        return names_in_query(item.query)
    # The whole query of a dictionary is one string of its source.
    return names_in_query(item.source) | names_in_query(source_of(item.source).get("QUERY", ""))


def tables_of(item: View | MaterializedView | Dictionary) -> frozenset[str]:
    """Those that stand where a table, a view or a dictionary can: behind FROM, JOIN and IN, and in strings. A column
    that is called like a view is not among them."""
    if not isinstance(item, Dictionary):
        return _tables(item.query)
    query = source_of(item.source).get("QUERY")
    return _tables(query) if query is not None else names_of(item)


def _tables(query: str) -> frozenset[str]:
    try:
        tokens = Tokens(query)
    except TokenError:
        return frozenset()
    found: set[str] = set()
    table = listed = False
    for place, token in enumerate(tokens.items):
        word = token.text.upper() if token.kind == "word" else ""
        if token.kind == "string":
            found.add(unquote(token.text).rpartition(".")[2])
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
