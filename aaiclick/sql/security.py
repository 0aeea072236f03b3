"""Under whose rights a view reads: the clauses ``DEFINER = name`` and ``SQL SECURITY DEFINER | INVOKER | NONE``."""

from __future__ import annotations

from typing import NamedTuple

from aaiclick.sql.tokens import TokenError, Tokens, unquote

KINDS = ("DEFINER", "INVOKER", "NONE")


class Security(NamedTuple):
    """The clauses of a view; '' for a definer that is not named, or is whoever creates the view."""

    kind: str
    definer: str


def read_security(text: str) -> Security | None:
    """The clauses of a text; None for another text. Without SQL SECURITY a named definer counts."""
    try:
        tokens = Tokens(text)
    except TokenError:
        return None
    kind, definer, position = "", "", 0
    while position < len(tokens):
        if not definer and tokens.is_word(position, "DEFINER") and tokens.is_kind(position + 2, "word", "name"):
            if not tokens.is_op(position + 1, "="):
                return None
            definer = tokens.items[position + 2].text
            position += 3
        elif not kind and tokens.is_word(position, "SQL", "SECURITY") and position + 2 < len(tokens):
            kind = tokens.items[position + 2].text.upper()
            position += 3
        else:
            return None
    kind = kind or ("DEFINER" if definer else "")
    if kind not in KINDS or (definer and kind != "DEFINER"):
        return None
    return Security(kind, "" if definer.upper() == "CURRENT_USER" else unquote(definer))


def same_security(declared: str, found: str) -> bool:
    """Whether a view reads as whom it is declared to; '' declares nothing, and a definer who is not named may be
    anybody."""
    if not declared or declared == found:
        return True
    wanted, live = read_security(declared), read_security(found)
    return wanted is not None and live is not None and wanted.kind == live.kind and wanted.definer in ("", live.definer)
