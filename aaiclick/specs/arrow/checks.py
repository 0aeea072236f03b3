"""Metadata of Arrow that are SQL: each has to be what it stands for, and nothing behind that.

They come from whoever makes the stream. Where they are pasted into a CREATE TABLE, ``1, y Int8`` as a default would be
a second column, and a comment would take the rest of the line.
"""

from __future__ import annotations

from collections.abc import Callable

from aaiclick.sql.expressions import clean_tokens, one_expression, one_expression_end
from aaiclick.sql.tokens import Tokens

# Types that SQL writes as several words.
_MORE_WORDS = frozenset(
    {"PRECISION", "VARYING", "UNSIGNED", "SIGNED", "LARGE", "OBJECT", "CHARACTER", "CHAR", "VARCHAR"}
)


def one_type(text: str) -> bool:
    """Whether it is one type: a word, with its arguments in brackets."""
    tokens = clean_tokens(text)
    if tokens is None or not tokens.is_kind(0, "word"):
        return False
    position = 1
    while position < len(tokens) and tokens.items[position].text.upper() in _MORE_WORDS:
        position += 1
    if tokens.is_op(position, "("):
        position = tokens.after(position)
    return position == len(tokens)


def codecs(text: str) -> bool:
    """Whether these are codecs with commas between them, each a word with its arguments in brackets."""
    tokens = clean_tokens(text)
    return tokens is not None and all(
        end > start and tokens.is_kind(start, "word") and _arguments_end(tokens, start + 1) == end
        for start, end in tokens.split(0, len(tokens))
    )


def expressions(text: str) -> bool:
    """Whether these are expressions with commas between them."""
    tokens = clean_tokens(text)
    return tokens is not None and all(
        end > start and one_expression_end(tokens, start, end) == end for start, end in tokens.split(0, len(tokens))
    )


def table_ttl(text: str) -> bool:
    """Whether it is the TTL of a table: expressions, each with what is done to the rows then."""
    tokens = clean_tokens(text)
    return tokens is not None and all(_rule(tokens, start, end) for start, end in tokens.split(0, len(tokens)))


def _rule(tokens: Tokens, start: int, end: int) -> bool:
    position = one_expression_end(tokens, start, end)
    if position == start:
        return False
    if tokens.is_word(position, "DELETE"):
        position += 1
    elif tokens.is_word(position, "TO", "DISK") or tokens.is_word(position, "TO", "VOLUME"):
        position += 2 + (2 if tokens.is_word(position + 2, "IF", "EXISTS") else 0)
        position += tokens.is_kind(position, "string")
    elif tokens.is_word(position, "RECOMPRESS", "CODEC"):
        position = _arguments_end(tokens, position + 2)
    elif tokens.is_word(position, "GROUP", "BY"):
        position = one_expression_end(tokens, position + 2, end)
    for word in ("SET", "WHERE"):
        if position < end and tokens.is_word(position, word):
            position = one_expression_end(tokens, position + 1, end)
    return position == end


def _arguments_end(tokens: Tokens, position: int) -> int:
    return tokens.after(position) if tokens.is_op(position, "(") else position


WORDS: dict[Callable[[str], bool], str] = {
    one_type: "one type",
    one_expression: "one expression",
    expressions: "expressions with commas between them",
    codecs: "codecs with commas between them",
    table_ttl: "the TTL of a table",
}
"""What each check wants, for the error."""
