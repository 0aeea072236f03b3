"""Splits a script into statements, as the engine does: at semicolons outside of strings, quoted names, heredocs and
comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aaiclick.sql.comments import OpenCommentError, without_comments
from aaiclick.sql.tokens import TokenError, Tokens, signature


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a script, without its semicolon and the comments around it. ``line`` is where it begins,
    from 1, ``start`` its offset in the script."""

    text: str
    line: int
    start: int


class ScriptError(ValueError):
    """The script cannot be split. ``line`` says where, from 1."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        self.problem = problem
        super().__init__(f"line {line}: {problem}")


_DOLLAR = re.compile(r"\$")
_OPENED: Mapping[str, str] = {"'": "a string", "`": "a quoted name", '"': "a quoted name", "$": "a heredoc"}


def split_statements(script: str) -> tuple[Statement, ...]:
    """The statements in their order, without empty ones.

    Raises ``ScriptError`` for a quote or comment that does not end, and for brackets that do not match.
    """
    try:
        # Blanks in place of comments, so that offsets and lines are those of the script.
        tokens = Tokens(without_comments(script))
    except OpenCommentError as error:
        raise ScriptError(script.count("\n", 0, error.offset) + 1, str(error)) from None
    except TokenError as error:
        raise _located(script, error) from None
    found: list[Statement] = []
    for first, end in _pieces(tokens):
        start = tokens.items[first].start
        text = script[start : tokens.items[end - 1].end]
        found.append(Statement(text, script.count("\n", 0, start) + 1, start))
    return tuple(found)


def normal_text(sql: str) -> str:
    """The statement with spaces and comments in one form. Checksums of released migrations are made of it, so it never
    changes: a dollar sign inside a word stands alone in it."""
    try:
        pairs = signature(sql)
    except TokenError:
        return sql.strip()
    return " ".join(
        f"{kind[0]}:{text}" if kind != "name" or "$" not in text else _DOLLAR.sub(r" o:$ n:", f"n:{text}")
        for kind, text in pairs
    )


def _pieces(tokens: Tokens) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    first = position = 0
    while position < len(tokens):
        if tokens.is_op(position, ";"):
            if position > first:
                found.append((first, position))
            first = position + 1
        position = tokens.after(position)
    return [*found, (first, len(tokens))] if len(tokens) > first else found


def _located(script: str, error: TokenError) -> ScriptError:
    """The error with its line, and with what begins there and never ends."""
    line = script.count("\n", 0, error.offset) + 1
    rest = script[error.offset :]
    opened = next((noun for sign, noun in _OPENED.items() if rest.startswith(sign)), None)
    return ScriptError(line, f"{opened} begins here and never ends" if opened is not None else str(error))
