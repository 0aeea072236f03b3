"""Which columns an expression may read, by the names in it."""

from __future__ import annotations

from collections.abc import Collection

from aaiclick.sql.tokens import TokenError, Tokens, identifier

_EVERYTHING = frozenset({"COLUMNS", "APPLY"})


def mentioned(expression: str, columns: Collection[str]) -> frozenset[str]:
    """The columns that an expression may read: those whose name, or the name of a subcolumn, is in it. ``*`` may be all
    of them."""
    try:
        tokens = Tokens(expression)
    except TokenError:
        return frozenset(columns)
    names: set[str] = set()
    position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        if tokens.is_op(position, "*") and not _multiplies(tokens, position):
            return frozenset(columns)
        if parts and parts[0].upper() in _EVERYTHING and tokens.is_op(behind, "("):
            return frozenset(columns)
        names |= {".".join(parts[start:]) for start in range(len(parts))} | {
            ".".join(parts[:end]) for end in range(1, len(parts))
        }
        position = max(behind, position + 1)
    return frozenset(column for column in columns if any(same_column(column, name) for name in names))


def same_column(column: str, name: str) -> bool:
    """True where one name is the other, a subcolumn of it, or a column of that Nested."""
    return column == name or name.startswith(f"{column}.") or column.startswith(f"{name}.")


def _multiplies(tokens: Tokens, position: int) -> bool:
    if tokens.is_op(position - 1, "(") and tokens.is_op(position + 1, ")") and tokens.is_word(position - 2, "COUNT"):
        return True  # count(*) reads no column
    operand = position > 0 and tokens.is_kind(position - 1, "word", "name", "number", "string", "close")
    return operand and not (tokens.is_word(position - 1, "SELECT") or tokens.is_word(position - 1, "DISTINCT"))
