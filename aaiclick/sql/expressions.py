"""Finds where an expression ends: at a separator, or between two operands without an operator.

The engine prints columns named ``TTL`` or ``COMMENT`` without quotes, so a keyword alone does not end an expression.
But the engine never prints two operands side by side, and a clause behind an expression begins with a word.
"""

from __future__ import annotations

from itertools import pairwise

from aaiclick.sql.tokens import TokenError, Tokens

_INFIX = frozenset({"AND", "OR", "LIKE", "ILIKE", "IN", "GLOBAL", "NOT", "AS", "REGEXP", "DIV", "MOD"})
_NEGATABLE = frozenset({"LIKE", "ILIKE", "IN", "REGEXP"})
_POSTFIX = frozenset({"ASC", "DESC", "OVER"})
_UNFINISHED = _INFIX | {"IS", "BETWEEN", "DISTINCT", "FROM"}
"""Words that no expression ends with."""
_SECONDS = ("NANOSECOND", "MICROSECOND", "MILLISECOND")
_UNITS = frozenset(
    f"{name}{plural}"
    for name in (*_SECONDS, "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    for plural in ("", "S")
)


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


def clean_tokens(text: str) -> Tokens | None:
    """The tokens of a text from elsewhere; None where it cannot be cut, is empty or holds a comment, which would take
    what is written behind it."""
    try:
        tokens = Tokens(text)
    except TokenError:
        return None
    between = (text[before.end : token.start] for before, token in pairwise(tokens.items))
    outside = "".join([text[: tokens.items[0].start], *between, text[tokens.items[-1].end :]]) if tokens.items else "-"
    # One that does not end is cut into operators.
    begun = any(
        before.text == "/" and token.text == "*" and before.end == token.start
        for before, token in pairwise(tokens.items)
    )
    return None if outside.strip() or begun else tokens


def one_expression_end(tokens: Tokens, start: int, end: int) -> int:
    """As ``expression_end``, for what people write: ``INTERVAL 1 DAY``, ``BETWEEN`` and ``CASE`` are not printed by the
    engine. ``start`` where the expression breaks off."""
    position = start
    while True:
        found = expression_end(tokens, position, end)
        if found == position:
            return start
        behind = _written_end(tokens, found, end)
        if behind == found and not tokens.is_word(found, "BETWEEN"):
            position = found
            break
        if behind == end:
            return end
        # An operand ends there: an operator has to follow, or the expression is over.
        more = tokens.items[behind]
        if not (
            tokens.is_word(behind, "BETWEEN")
            or (more.kind == "word" and more.text.upper() in _INFIX)
            or (more.kind == "op" and more.text not in (",", ";"))
        ):
            return behind
        position = behind + 1
    last = tokens.items[position - 1]
    word = last.kind == "word" and last.text.upper() in _UNFINISHED and position > start + 1
    return start if word or last.kind == "op" else position


def _written_end(tokens: Tokens, position: int, end: int) -> int:
    """Behind ``INTERVAL 1 DAY`` and ``CASE ... END``, where the first word of that stands right before ``position``."""
    if position >= end:
        return position
    if tokens.is_word(position - 1, "INTERVAL") and tokens.is_kind(position, "number", "string", "word", "name"):
        unit = position + 1 < end and tokens.items[position + 1].text.upper() in _UNITS
        return position + (2 if unit else 1)
    if tokens.is_word(position - 1, "CASE"):
        depth, behind = 1, position
        while behind < end and depth:
            depth += tokens.is_word(behind, "CASE") - tokens.is_word(behind, "END")
            behind = tokens.after(behind)
        return position if depth else behind
    return position


def one_expression(text: str) -> bool:
    """Whether a text from elsewhere is one whole expression: nothing in it can be read as another clause, column or
    statement."""
    tokens = clean_tokens(text)
    return tokens is not None and one_expression_end(tokens, 0, len(tokens)) == len(tokens)
