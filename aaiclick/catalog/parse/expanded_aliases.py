"""Replaces ALIAS columns in index expressions by what they compute. Pure.

25.8 shows the index ``toDate(x)`` over ``x ALIAS a`` as ``toDate(a)`` until the next ALTER of the table, and then as it
was written. So two expressions that are the same behind their aliases are no difference.
"""

from __future__ import annotations

from collections.abc import Mapping

from aaiclick.catalog.forms import IndexForm, TableForm
from aaiclick.sql.tokens import TokenError, Tokens, identifier

_DEEPEST = 32
"""So often an ALIAS may stand behind an ALIAS."""


def same_index(old: IndexForm | None, live: TableForm, new: IndexForm | None, wanted: TableForm) -> bool:
    """True where the two indexes differ in nothing but that one names an ALIAS and the other what stands behind it."""
    if old is None or new is None or (old.name, old.type, old.granularity) != (new.name, new.type, new.granularity):
        return False
    return without_aliases(old.expression, aliases_of(live)) == without_aliases(new.expression, aliases_of(wanted))


def aliases_of(form: TableForm) -> dict[str, str]:
    """The expressions of its ALIAS columns."""
    return {column.name: column.expression for column in form.columns if column.kind == "ALIAS"}


def without_aliases(text: str, aliases: Mapping[str, str]) -> str:
    """The expression without aliases, with the parentheses that the server would write."""
    for _ in range(_DEEPEST):
        try:
            again = _once(text, aliases)
        except TokenError:
            return text
        if again == text:
            break
        text = again
    return text


def _once(text: str, aliases: Mapping[str, str]) -> str:
    tokens = Tokens(text)
    pieces: list[str] = []
    copied = position = 0
    while position < len(tokens):
        parts, behind = identifier(tokens, position)
        if len(parts) == 1 and parts[0] in aliases and not tokens.is_op(behind, "("):
            expression = aliases[parts[0]]
            apart = _bounds(tokens, position - 1, "(") and _bounds(tokens, behind, ")")
            pieces += [
                text[copied : tokens.items[position].start],
                expression if apart or _operand(expression) else f"({expression})",
            ]
            copied = tokens.items[behind - 1].end
        position = max(behind, position + 1)
    return "".join([*pieces, text[copied:]])


def _bounds(tokens: Tokens, position: int, bracket: str) -> bool:
    """Nothing stands there, or a comma, or the bracket: no operator binds to what is beside it."""
    return not 0 <= position < len(tokens) or tokens.is_op(position, bracket) or tokens.is_op(position, ",")


def _operand(expression: str) -> bool:
    """One name, one literal, or one call."""
    tokens = Tokens(expression)
    _, behind = identifier(tokens, 0)
    return (
        len(tokens) == 1
        or behind == len(tokens)
        or (behind > 0 and tokens.is_op(behind, "(") and tokens.match.get(behind) == len(tokens) - 1)
    )
