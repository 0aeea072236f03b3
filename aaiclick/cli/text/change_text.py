"""Several changes of one object in one text, taken apart for people: ``type ...; sort key ...``. Pure."""

from __future__ import annotations

from aaiclick.cli.text.numbers import count_text
from aaiclick.sql.quoting import QUOTES, punctuation

_OPENING, _CLOSING = "([{", ")]}"


def clauses(text: str) -> tuple[str, ...]:
    """The parts between semicolons, except for semicolons inside quotes and brackets. Nothing is taken apart where
    one of these does not end: then it is no SQL after all (an apostrophe)."""
    parts: list[str] = []
    start = depth = 0
    for at, char in punctuation(text):
        if char in _OPENING or char in _CLOSING:
            depth += 1 if char in _OPENING else -1
        elif depth == 0 and text.startswith("; ", at):
            parts.append(text[start:at])
            start = at + 2
        elif char in QUOTES:
            return (text,)
    return (text,) if depth else (*parts, text[start:])


def one_each(difference: str) -> tuple[str, ...]:
    """``t: a; b`` as ``t: a`` and ``t: b``."""
    name, separator, changes = difference.partition(": ")
    return tuple(f"{name}: {change}" for change in clauses(changes)) if separator else (difference,)


def headline(change: str) -> str:
    """The change, or how many there are."""
    parts = clauses(change)
    return change if len(parts) == 1 else count_text(len(parts), "change", "changes")
