"""Names come from a database and may hold anything: what is printed of them is one line, whatever they hold."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_KEPT = "\u00a0"


def shown(text: str) -> str:
    """The text with newlines and other control characters as Python writes them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _KEPT else ascii(char)[1:-1] for char in text)


def shown_lines(text: str) -> str:
    """The same for a text of several lines, whose own newlines and tabs stay."""
    return "".join(char if char.isprintable() or char in f"\n\t{_KEPT}" else ascii(char)[1:-1] for char in text)


def shown_sql(sql: str) -> str:
    """A statement with its control characters as the engine reads them within quotes, which is where they are; it means
    the same."""
    return _CONTROL.sub(lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode()), sql)


def size_text(size: int) -> str:
    """Bytes for people: ``1.5 MiB``."""
    if size < 1024:
        return f"{size} B"
    from humanize.filesize import naturalsize  # first where something is printed: a start prints nothing

    return naturalsize(size, binary=True)
