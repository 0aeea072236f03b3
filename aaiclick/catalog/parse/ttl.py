"""The elements of a TTL, as the server writes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aaiclick.sql.expressions import expression_end
from aaiclick.sql.tokens import Tokens, split_top, unquote


@dataclass(frozen=True, slots=True)
class TtlElement:
    """One element of a TTL."""

    time: str
    """The date or moment at which rows expire."""
    where: str = ""
    """Which of them do; '' for all."""
    keys: tuple[str, ...] = ()
    """What expired rows are grouped by; none where they are not."""
    sets: tuple[tuple[str, str], ...] = ()
    """Columns of a group, with the aggregates that they get."""


def ttl_elements(ttl: str) -> tuple[TtlElement, ...]:
    """A comma stands between elements, and inside of one between keys and between assignments: the server takes what
    can be a further key, or a further assignment, for one."""
    found: list[TtlElement] = []
    for piece in split_top(ttl):
        tokens = Tokens(piece)
        last = found[-1] if found else None
        if last is not None and last.sets and (assigned := _assignment(tokens, 0)):
            found[-1] = replace(last, sets=(*last.sets, assigned))
        elif last is not None and last.keys and not last.sets:
            found[-1] = _with_keys(last, tokens, 0)
        else:
            found.append(_element(tokens))
    return tuple(found)


def _element(tokens: Tokens) -> TtlElement:
    end = expression_end(tokens, 0, len(tokens))
    made = TtlElement(tokens.slice(0, end))
    for place in range(end, len(tokens)):
        if tokens.is_word(place, "WHERE"):
            behind = expression_end(tokens, place + 1, len(tokens))
            return replace(made, where=tokens.slice(place + 1, behind))
        if tokens.is_word(place, "GROUP", "BY"):
            return _with_keys(made, tokens, place + 2)
    return made


def _with_keys(element: TtlElement, tokens: Tokens, start: int) -> TtlElement:
    """The element with the key that begins there, and the assignment behind it."""
    end = expression_end(tokens, start, len(tokens))
    assigned = _assignment(tokens, end + 1) if tokens.is_word(end, "SET") else None
    sets = (*element.sets, assigned) if assigned else element.sets
    return replace(element, keys=(*element.keys, tokens.slice(start, end)), sets=sets)


def _assignment(tokens: Tokens, start: int) -> tuple[str, str] | None:
    if not tokens.is_kind(start, "word", "name") or not tokens.is_op(start + 1, "="):
        return None
    return unquote(tokens.items[start].text), tokens.slice(start + 2, len(tokens))
