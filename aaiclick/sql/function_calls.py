"""Renames calls of functions in a statement."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from aaiclick.sql.quoting import quote_name
from aaiclick.sql.tokens import TokenError, Tokens, unquote


def renamed_calls(sql: str, names: Mapping[str, str]) -> str:
    """The text with other names for the functions that it calls."""
    if not names:
        return sql
    try:
        items = Tokens(sql).items
    except TokenError:
        return sql
    pieces: list[str] = []
    position = 0
    # A name that no bracket follows is a column, whatever functions there are.
    for token, behind in itertools.pairwise(items):
        if (
            token.kind in ("word", "name")
            and behind.text == "("
            and (new := names.get(unquote(token.text))) is not None
        ):
            pieces += [sql[position : token.start], quote_name(new)]
            position = token.end
    return "".join([*pieces, sql[position:]])


def called_names(sql: str) -> frozenset[str]:
    """Names, in lower case, of whatever stands before a parenthesis: functions, types with arguments, keywords.

    Raises TokenError where the text cannot be taken apart.
    """
    return frozenset(
        unquote(token.text).lower()
        for token, behind in itertools.pairwise(Tokens(sql).items)
        if token.kind in ("word", "name") and behind.text == "("
    )
