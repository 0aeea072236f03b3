"""Which columns an expression may read, by the names in it; and names bound to other expressions, by a lambda."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens, identifier, unquote

_PARAMETER = "_aaiclick_name_"
_EVERYTHING = frozenset({"COLUMNS", "APPLY"})


def mentioned(expression: str, columns: Collection[str]) -> frozenset[str]:
    """The columns that an expression may read: those whose name, or the name of a subcolumn, is in it. ``*`` may be all
    of them."""
    try:
        tokens = Tokens(expression)
    except TokenError:
        # What cannot be read may read anything.
        return frozenset(columns)
    names: set[str] = set()
    for position, parts, behind in _identifiers(tokens):
        if tokens.is_op(position, "*") and not _multiplies(tokens, position):
            return frozenset(columns)
        if parts and parts[0].upper() in _EVERYTHING and tokens.is_op(behind, "("):
            return frozenset(columns)
        # t.a.b may be column b of t.a, a.b of t, or a subcolumn of t or of t.a.
        names |= {".".join(parts[start:]) for start in range(len(parts))} | {
            ".".join(parts[:end]) for end in range(1, len(parts))
        }
    return _called(names, columns)


def read_by_dotted_names(expression: str, columns: Collection[str]) -> frozenset[str]:
    """The columns that an expression may read under a name with a dot outside quotes: ``n.b`` of a Nested, the size
    ``a.size0`` of an array. Quoted as a whole (`` `n.b` ``) it is one name."""
    try:
        tokens = Tokens(expression)
    except TokenError:
        return frozenset(columns)
    return _called({".".join(parts) for _, parts, _ in _identifiers(tokens) if len(parts) > 1}, columns)


def _identifiers(tokens: Tokens) -> Iterator[tuple[int, tuple[str, ...], int]]:
    """Each place, the parts of the identifier that begins there (none where something else does), and what is behind
    it."""
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        yield position, parts, behind
        position = max(behind, position + 1)


def _called(names: Collection[str], columns: Collection[str]) -> frozenset[str]:
    """The columns that have one of these names, or whose subcolumn has."""
    return frozenset(column for column in columns if any(same_column(column, name) for name in names))


def same_column(column: str, name: str) -> bool:
    """True where one name is the other, a subcolumn of it, or a column of that Nested."""
    return column == name or name.startswith(f"{column}.") or column.startswith(f"{name}.")


def _multiplies(tokens: Tokens, position: int) -> bool:
    if tokens.is_op(position - 1, "(") and tokens.is_op(position + 1, ")") and tokens.is_word(position - 2, "COUNT"):
        return True  # count(*) reads no column
    operand = position > 0 and tokens.is_kind(position - 1, "word", "name", "number", "string", "close")
    return operand and not (tokens.is_word(position - 1, "SELECT") or tokens.is_word(position - 1, "DISTINCT"))


def bound(expression: str, texts: Mapping[str, str]) -> str:
    """The expression with names bound to other expressions.

    A name with a dot (a column of a Nested, or one that is only called so) gets a plain one first, because a parameter
    of a lambda can have none; so does ``select``, which 25.8 writes without quotes, and reads ``(select IS NULL)`` as a
    query. Raises ``ValueError`` where the expression cannot be read for that.
    """
    if all(text == quote_name(name) for name, text in texts.items()):
        return expression  # also one that cannot be read
    mentioned = [name for name in names_in(expression) if texts.get(name, quote_name(name)) != quote_name(name)]
    plain = {name: f"{_PARAMETER}{place}" for place, name in enumerate(mentioned) if "." in name or query_word(name)}
    if not mentioned:
        return expression
    if plain:
        expression = renamed_columns(expression, tuple(plain.items()))
    return bind_names(expression, [plain.get(name, name) for name in mentioned], [texts[name] for name in mentioned])


def renamed_columns(expression: str, names: Sequence[tuple[str, str]]) -> str:
    """The expression with columns renamed: pairs of a column's name and the text that takes its place. Raises
    ``TokenError``."""
    texts = dict(names)
    tokens = Tokens(expression)
    pieces: list[str] = []
    copied = position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        called = tokens.is_op(behind, "(")
        # The longest beginning that is a column: ``n.x`` is one, and so is the ``t`` of its subcolumn ``t.a``.
        length = next((count for count in range(len(parts), 0, -1) if ".".join(parts[:count]) in texts), 0)
        if length and not (called and length == len(parts)):
            pieces += [expression[copied : tokens.items[position].start], texts[".".join(parts[:length])]]
            copied = tokens.items[position + 2 * (length - 1)].end
        position = max(behind, position + 1)
    return "".join([*pieces, expression[copied:]])


def query_word(name: str) -> bool:
    """True for a name with which a query begins, whatever its case."""
    return name.upper() == "SELECT"


def mentions(expression: str, name: str) -> bool:
    """True where an expression may read the column, so also where it cannot be read."""
    try:
        return name in names_in(expression)
    except TokenError:
        return True


def bind_names(expression: str, mentioned: Sequence[str], texts: Sequence[str]) -> str:
    """``arrayMap(name -> expression, [text])[1]``, for all these names."""
    names = ", ".join(quote_name(name) for name in mentioned)
    arrays = ", ".join(f"[{text}]" for text in texts)
    arguments = names if len(mentioned) == 1 else f"({names})"
    return f"arrayMap({arguments} -> ({expression}), {arrays})[1]"


def names_in(expression: str) -> tuple[str, ...]:
    """Names that an expression may read. Too many do no harm; names of functions are left out. Raises ``TokenError``
    where the expression cannot be read: then it may read anything."""
    tokens = Tokens(expression)
    found: dict[str, None] = {}
    for place, token in enumerate(tokens.items):
        if token.kind not in ("word", "name") or tokens.is_op(place + 1, "("):
            continue
        found[unquote(token.text)] = None
        if tokens.is_op(place + 1, ".") and tokens.is_kind(place + 2, "word", "name"):
            found[f"{unquote(token.text)}.{unquote(tokens.items[place + 2].text)}"] = None
    return tuple(found)
