"""Finds where an expression ends: at a separator, or between two operands without an operator.

The engine prints columns named ``TTL`` or ``COMMENT`` without quotes, so a keyword alone does not end an expression.
But the engine never prints two operands side by side, and a clause behind an expression begins with a word.
"""

from __future__ import annotations

from aaiclick.sql.tokens import Tokens

_INFIX = frozenset({"AND", "OR", "LIKE", "ILIKE", "IN", "GLOBAL", "NOT", "AS", "REGEXP", "DIV", "MOD"})
_NEGATABLE = frozenset({"LIKE", "ILIKE", "IN", "REGEXP"})
_POSTFIX = frozenset({"ASC", "DESC", "OVER"})


def expression_end(tokens: Tokens, start: int, end: int) -> int:
    """The position behind the expression that begins at ``start``; ``start`` itself where there is none."""
    position, operand, negated = start, False, False
    while position < end:
        token = tokens.items[position]
        if token.kind == "word":
            word = token.text.upper()
            if not operand:
                prefix = word == "NOT" and _begins_operand(tokens, position + 1, end)
                operand = not (prefix or (negated and word in _NEGATABLE))
                negated = negated and prefix
            elif word == "IS":
                position = _predicate_end(tokens, position + 1)
                continue
            # AS SELECT begins the query of a view; any other AS is a part of the expression.
            elif word == "AS" and _begins_query(tokens, position + 1):
                break
            elif word in _INFIX:
                operand, negated = False, word in ("NOT", "GLOBAL")
            elif word not in _POSTFIX:
                break
        elif token.kind == "op":
            if token.text in (",", ";"):
                break
            operand = False
        elif token.kind == "close" or (operand and token.kind != "open"):
            break
        else:
            operand = True
        position = tokens.after(position)
    return position


def _begins_operand(tokens: Tokens, position: int, end: int) -> bool:
    return position < end and tokens.is_kind(position, "word", "name", "string", "number", "open")


def _begins_query(tokens: Tokens, position: int) -> bool:
    return tokens.is_word(position, "SELECT") or tokens.is_word(position, "WITH") or tokens.is_op(position, "(")


def _predicate_end(tokens: Tokens, position: int) -> int:
    """Behind ``NULL``, ``NOT NULL``, ``TRUE``, or ``[NOT] DISTINCT FROM`` with its right-hand operand still to come."""
    if tokens.is_word(position, "NOT"):
        position += 1
    if tokens.is_word(position, "DISTINCT", "FROM"):
        return tokens.after(position + 2)
    return position + 1
