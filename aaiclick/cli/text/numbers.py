"""Numbers as people read them. Pure."""

from __future__ import annotations

from aaiclick.printable import count_text, rows_text

__all__ = ["count_text", "rows_text", "short_text"]


def short_text(number: float) -> str:
    """A count where there is little room: ``950``, ``1.50M``, ``12.3k``, ``2.00G``."""
    if abs(whole := round(number)) < 1000:
        return str(whole)
    from humanize.number import metric  # most commands print no such number

    return metric(whole).replace(" ", "")
