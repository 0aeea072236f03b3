"""Numbers as people read them. Pure."""

from __future__ import annotations


def rows_text(rows: float) -> str:
    """``1 row``, ``1,000 rows``."""
    whole = int(rows)
    return f"{whole:,} row" if whole == 1 else f"{whole:,} rows"


def short_text(number: float) -> str:
    """A count where there is little room: ``950``, ``1.50M``, ``12.3k``, ``2.00G``."""
    if abs(whole := round(number)) < 1000:
        return str(whole)
    from humanize.number import metric  # most commands print no such number

    return metric(whole).replace(" ", "")


def seconds_text(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 minutes and 20 seconds``, ``2 hours and 5 minutes``, ``3 days and 4 hours``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    smallest = "seconds" if whole < 3600 else "minutes" if whole < 86400 else "hours"
    from humanize.time import precisedelta

    return precisedelta(whole, minimum_unit=smallest, suppress=("months", "years"), format="%.0f")


def count_text(number: int, one: str, many: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{number:,} {one if number == 1 else many}"
