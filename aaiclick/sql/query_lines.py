"""A query in lines, and what differs between two of them. Pure."""

from __future__ import annotations

from difflib import unified_diff

from aaiclick.sql.tokens import TokenError, Tokens

AROUND = 2
"""Lines that stay around a difference."""
_LISTS = (("SELECT", "DISTINCT"), ("SELECT",), ("GROUP", "BY"), ("ORDER", "BY"), ("WITH",))
"""Clauses with a list: each element has a line."""
_OTHERS = (
    "FROM|PREWHERE|WHERE|HAVING|LIMIT|SETTINGS|QUALIFY|UNION ALL|UNION DISTINCT|ARRAY JOIN|LEFT ARRAY JOIN|"
    "INNER JOIN|LEFT JOIN|RIGHT JOIN|FULL JOIN|CROSS JOIN|ANY JOIN|ANY LEFT JOIN|ALL LEFT JOIN|ASOF JOIN|JOIN|FINAL"
)
_CLAUSES = (*_LISTS, *(tuple(words.split()) for words in _OTHERS.split("|")))


def query_lines(sql: str) -> list[str]:
    """The query with each clause on a line of its own, and each element of a list."""
    try:
        tokens = Tokens(sql)
    except TokenError:
        return sql.splitlines()
    begins: list[tuple[int, tuple[str, ...]]] = []
    place = 0
    while place < len(tokens):
        words = max((words for words in _CLAUSES if tokens.is_word(place, *words)), key=len, default=())
        if words or not place:
            begins.append((place, words))
        place = place + len(words) if words else tokens.after(place)
    lines: list[str] = []
    for number, (first, words) in enumerate(begins):
        end = begins[number + 1][0] if number + 1 < len(begins) else len(tokens)
        pieces = tokens.split(first + len(words), end) if words in _LISTS else []
        if len(pieces) < 2:
            lines.append(tokens.slice(first, end))
            continue
        lines.append(tokens.slice(first, first + len(words)))
        lines += [f"    {tokens.slice(*piece)}{',' if piece is not pieces[-1] else ''}" for piece in pieces]
    return lines


def query_diff(old: str, new: str) -> tuple[str, ...]:
    """The lines that differ, with ``-`` and ``+`` in front, and a few around them; ``...`` where more is left out."""
    before, after = query_lines(old), query_lines(new)
    found = ["..." if line.startswith("@@") else line.rstrip() for line in unified_diff(before, after, n=AROUND)][2:]
    # Where the first line is shown, nothing is left out before it.
    return tuple(found[1:] if found and found[1][1:] == before[0] else found)
