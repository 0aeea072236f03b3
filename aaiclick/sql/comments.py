"""Finds comments in SQL that people wrote: ``-- x``, ``# x``, ``#! x``, ``// x`` and ``/* x /* nested */ x */``.

A quote inside a comment opens nothing, and ``--`` inside a string, a quoted name or a heredoc begins no comment. A
dollar sign inside a word begins no heredoc.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PIECE = re.compile(
    r"""
      (?P<word>[A-Za-z0-9_][A-Za-z0-9_$]*)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    | (?P<heredoc>\$(?P<tag>[A-Za-z0-9_]*)\$.*?\$(?P=tag)\$)
    | (?P<line>(?:--|//|\#[ !])[^\n]*)
    | (?P<block>/\*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FENCE = re.compile(r"/\*|\*/")
_VISIBLE = re.compile(r"[^\n]")


class Comment(NamedTuple):
    """One comment; ``text`` without what begins and ends it, ``start`` and ``end`` are offsets into the script."""

    text: str
    start: int
    end: int


class OpenCommentError(ValueError):
    """A comment that begins at ``offset`` and never ends."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__("a comment begins here and never ends")


def comments(script: str) -> tuple[Comment, ...]:
    """The comments in their order. Raises ``OpenCommentError``.

    Behind a quote that never ends nothing is certain: whoever splits the text next says so.
    """
    found: list[Comment] = []
    position = 0
    while piece := _PIECE.match(script, position):
        position = piece.end()
        if piece.lastgroup == "line":
            found.append(Comment(piece[0].lstrip("-/#!").strip(), *piece.span()))
        elif piece.lastgroup == "block":
            position = _end_of_block(script, piece.start())
            found.append(Comment(script[piece.start() + 2 : position - 2].strip(), piece.start(), position))
        elif piece[0] in ("'", "`", '"'):
            break
    return tuple(found)


def without_comments(script: str) -> str:
    """The script with spaces in place of its comments: every offset and every line stays. Raises
    ``OpenCommentError``."""
    pieces, position = list[str](), 0
    for comment in comments(script):
        pieces += [script[position : comment.start], _VISIBLE.sub(" ", script[comment.start : comment.end])]
        position = comment.end
    return "".join([*pieces, script[position:]])


def without_end(query: str) -> str:
    """The query without comments and semicolons at its end: in a statement that goes on, a comment would take what
    stands behind it, and a semicolon would end the statement there."""
    try:
        return query[: len(without_comments(query).rstrip(" \n\r\t;"))]
    except OpenCommentError:
        return query


def _end_of_block(script: str, start: int) -> int:
    """Behind a comment in ``/* */``: these may hold others of their kind."""
    depth = 0
    for fence in _FENCE.finditer(script, start):
        depth += 1 if fence[0] == "/*" else -1
        if depth == 0:
            return fence.end()
    raise OpenCommentError(start)
