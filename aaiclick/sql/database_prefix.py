"""Removes a database's own name from a query, so that a copy in scratch and the live object have the same text.

ClickHouse writes the database in front of every table that a view reads. Only these prefixes are removed: in front
of a table (after FROM, JOIN, IN, or a comma between tables), in front of such a table's columns (``db.t.c``), and
inside the first argument of ``dictGet`` and ``merge``. An alias or a column that has the database's name stays.
"""

from __future__ import annotations

from aaiclick.sql.quoting import quote_name, quote_string
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

_ENDS_FROM = frozenset(
    {"WHERE", "PREWHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"}
    | {"SETTINGS", "WINDOW", "QUALIFY", "SELECT", "WITH", "FORMAT", "ARRAY", "INTERPOLATE"}
)
_DICTIONARY_FUNCTIONS = ("dictget", "dicthas", "dictisin")
_CURRENT = frozenset({"currentdatabase", "current_database", "database", "schema"})
Edit = tuple[int, int, str]


def strip_database(query: str, database: str, lenient: bool = False, instead: str = "") -> str:
    """``query`` without the prefix ``database``, or with the database ``instead`` in its place. ``lenient``: a text
    that is no SQL is returned unchanged, else it is a ``TokenError``."""
    try:
        tokens = Tokens(query)
    except TokenError:
        if lenient:
            return query
        raise
    walk = _Walk(tokens, database, instead)
    walk.run()
    # Columns after the whole walk: a query names them before the FROM that shows which tables there are.
    edits = sorted(set(walk.edits + walk.column_edits()))
    pieces, position = list[str](), 0
    for start, end, replacement in edits:
        pieces += [query[position:start], replacement]
        position = end
    return "".join([*pieces, query[position:]])


def without_current_database(arguments: str, database: str) -> str:
    """An engine's arguments with the database's name for ``currentDatabase()``: the engine keeps the name that it had
    at the CREATE."""
    try:
        items = Tokens(arguments).items
    except TokenError:
        return arguments
    pieces, position = list[str](), 0
    for name, opening, closing in zip(items, items[1:], items[2:], strict=False):
        if name.text.lower() in _CURRENT and (opening.text, closing.text) == ("(", ")"):
            pieces += [arguments[position : name.start], quote_string(database)]
            position = closing.end
    return "".join([*pieces, arguments[position:]])


def merged_from(query: str, database: str) -> str:
    """The query with the database's name for ``currentDatabase()`` in ``merge(currentDatabase(), '^t')``, as the server
    keeps it in a view. Elsewhere it stays: there it is that of whoever reads the view."""
    try:
        items = Tokens(query).items
    except TokenError:
        return query
    pieces, position = list[str](), 0
    for place in range(len(items) - 4):
        words = [token.text.lower() for token in items[place : place + 5]]
        if words[:2] == ["merge", "("] and words[2] in _CURRENT and words[3:] == ["(", ")"]:
            pieces += [query[position : items[place + 2].start], quote_string(database)]
            position = items[place + 4].end
    return "".join([*pieces, query[position:]])


class _Walk:
    """One pass over a query. ``state`` for each bracket: "table" where a table may come next, "after" behind one, ''
    elsewhere."""

    def __init__(self, tokens: Tokens, database: str, instead: str) -> None:
        self.tokens = tokens
        self.database = database
        self.instead = instead
        self.tables: set[str] = set()
        self.calls: set[int] = set()
        self.edits: list[Edit] = []
        self.compounds: list[tuple[int, tuple[str, ...]]] = []

    def run(self) -> None:
        state, stack = "", list[str]()
        position = 0
        while position < len(self.tokens):
            token = self.tokens.items[position]
            if token.kind == "open":
                # FROM (a, b): tables go on inside. A subquery there begins with SELECT, which ends that state.
                group = state == "table" and token.text == "(" and position not in self.calls
                inside = "table" if group or self._is(position - 1, "IN") else ""
                stack.append("after" if state == "table" else state)
                state = inside
            elif token.kind == "close":
                state = stack.pop() if stack else ""
            elif token.text == "," and state == "after":
                state = "table"
            elif token.kind in ("word", "name"):
                state, position = self._name(position, state)
                continue
            position += 1

    def column_edits(self) -> list[Edit]:
        """The prefix of ``db.t.c`` where ``t`` was found as a table."""
        return [self._prefix(position) for position, parts in self.compounds if parts[1] in self.tables]

    def _is(self, position: int, word: str) -> bool:
        return position >= 0 and self.tokens.is_word(position, word)

    def _prefix(self, position: int) -> Edit:
        put = f"{quote_name(self.instead)}." if self.instead else ""
        return self.tokens.items[position].start, self.tokens.items[position + 2].start, put

    def _name(self, position: int, state: str) -> tuple[str, int]:
        parts, behind = identifier(self.tokens, position)
        if len(parts) == 1 and not self.tokens.is_op(behind, "("):
            keyword = self._keyword(position, state)
            if keyword is not None:
                return keyword, position + 1
        if self.tokens.is_op(behind, "(") and not self._is(behind - 1, "IN"):
            self.calls.add(behind)
            self._function(parts[-1].lower(), behind + 1)
            return state, behind
        member = self.tokens.is_op(behind, ".") and self.tokens.is_op(behind + 1, "*")
        if state == "table":
            if len(parts) == 2 and parts[0] == self.database:
                self.tables.add(parts[1])
                self.edits.append(self._prefix(position))
            return "after", behind
        if parts[0] == self.database and (len(parts) > 2 or (len(parts) == 2 and member)):
            self.compounds.append((position, parts))
        return state, behind

    def _keyword(self, position: int, state: str) -> str | None:
        """The state behind a keyword; None for a word that is no keyword here."""
        if self.tokens.is_kind(position, "name"):
            return None
        word = self.tokens.items[position].text.upper()
        # In IS DISTINCT FROM no table follows.
        if word == "FROM" and not (
            self._is(position - 1, "DISTINCT") and (self._is(position - 2, "IS") or self._is(position - 2, "NOT"))
        ):
            return "table"
        if word == "JOIN":
            # ARRAY JOIN takes expressions, not tables.
            return "" if self._is(position - 1, "ARRAY") else "table"
        if word == "ON" and self._is(position - 1, "DEPENDS"):
            return "table"
        return "" if word in _ENDS_FROM else (None if state == "table" else state)

    def _function(self, name: str, argument: int) -> None:
        items = self.tokens.items
        if name.startswith(_DICTIONARY_FUNCTIONS):
            if self.tokens.is_kind(argument, "string"):
                value = unquote(items[argument].text)
                if value.startswith(f"{self.database}."):
                    put = (f"{self.instead}." if self.instead else "") + value[len(self.database) + 1 :]
                    self.edits.append((items[argument].start, items[argument].end, quote_string(put)))
            elif len(parts := identifier(self.tokens, argument)[0]) == 2 and parts[0] == self.database:
                self.edits.append(self._prefix(argument))
        elif (
            name == "merge" and self.tokens.is_op(argument + 1, ",") and unquote(items[argument].text) == self.database
        ):
            put = f"{quote_string(self.instead)}, " if self.instead else ""
            self.edits.append((items[argument].start, items[argument + 2].start, put))
