"""Makes names from a database printable: they may hold anything, and are shown on one line."""

from __future__ import annotations

import math
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Python does not call a no-break space printable, but it does no harm to a line.
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


_FOR_ONE = {
    "are": "is",
    "do": "does",
    "give": "gives",
    "have": "has",
    "hold": "holds",
    "stand": "stands",
    "stay": "stays",
    "violate": "violates",
    "were": "was",
    "would": "would",
}
_FOR_MANY = {one: many for many, one in _FOR_ONE.items()}
_ONE_ROW = re.compile(rf"(?<![\d,.])1 row(?: ({'|'.join(_FOR_MANY)}))?\b")


def rows_text(rows: float) -> str:
    """``1 row``, ``1,000 rows``."""
    whole = int(rows)
    return f"{whole:,} row" if whole == 1 else f"{whole:,} rows"


def rows_that(rows: int, predicate: str) -> str:
    """``1 row holds NULL``, ``2 rows hold NULL``. ``predicate``: what is said of several."""
    verb, space, rest = predicate.partition(" ")
    return f"{rows_text(rows)} {_FOR_ONE.get(verb, verb) if rows == 1 else verb}{space}{rest}"


def in_plural(text: str) -> str:
    """The text with ``1 row holds`` as ``1 rows hold``: beside another one, only the numbers differ."""
    return _ONE_ROW.sub(lambda found: f"1 rows {_FOR_MANY[found[1]]}" if found[1] else "1 rows", text)


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


def range_text(low: float, high: float) -> str:
    """How long something takes: ``less than 2 s``, ``4 to 16 s``, ``2 minutes to 7 minutes``."""
    if high < 1:
        return "less than 1 s"
    if low < 1:
        return f"less than {seconds_text(math.ceil(high))}".replace(".0 s", " s")
    if high < 60:
        return f"{low:.0f} to {math.ceil(high)} s"
    return f"{_rough(low)} to {_rough(high)}"


def _rough(seconds: float) -> str:
    """In one unit: an estimate is no better than that."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{round(seconds / unit)} {name}"
    return f"{round(seconds)} s"
