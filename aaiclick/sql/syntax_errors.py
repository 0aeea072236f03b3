"""The engine's message about a text that it cannot parse, without the text itself: that may hold a secret."""

from __future__ import annotations

import re

_POSITION = re.compile(r"failed at position (\d+) \((.*?)\)", re.DOTALL)


def syntax_error(message: str) -> tuple[int, str] | None:
    """The byte at which a statement cannot be parsed, from 0, and a sentence; None for another error."""
    found = _POSITION.search(message)
    if found is None or "Syntax error" not in message:
        return None
    # A token with a quote in it may be a part of a secret.
    token = f" at {found[2].strip()}" if found[2].strip() and "'" not in found[2] else ""
    return int(found[1]) - 1, f"the engine cannot parse it{token}"
