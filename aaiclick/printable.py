"""Makes names from a database printable: they may hold anything, and are shown on one line."""

from __future__ import annotations

import math
import re
import shlex

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


def allow_flag(key: str) -> str:
    """``--allow`` with the key, as a shell takes it: in quotes, as all pages write it."""
    return f"--allow {shlex.quote(key)}" if "'" in key else f"--allow '{key}'"


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
    "become": "becomes",
    "come": "comes",
    "do": "does",
    "give": "gives",
    "have": "has",
    "hold": "holds",
    "lie": "lies",
    "stand": "stands",
    "stay": "stays",
    "violate": "violates",
    "wait": "waits",
    "were": "was",
    "would": "would",
}
_FOR_MANY = {one: many for many, one in _FOR_ONE.items()}
_NOUNS = "argument|chunk|column|combination|database|file|group|host|insert|key|part|replica|row|type"
_ONE = re.compile(rf"(?:\ball )?(?<![\d,.])1 ({_NOUNS})s?\b")
_SAID_OF_ONE = re.compile(rf"\b({'|'.join(_FOR_MANY)}|it)\b")


def count_text(number: int, one: str, many: str = "") -> str:
    """``1 step``, ``3 steps``. ``many``: of a word that gets more than an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def verb_for(number: int, many: str) -> str:
    """What is said of so many: ``is`` of one, ``are`` of several. ``many``: the verb for several."""
    return _FOR_ONE.get(many, many) if number == 1 else many


def count_that(number: int, one: str, predicate: str) -> str:
    """``1 part stays``, ``2 parts stay``. ``predicate``: what is said of several."""
    verb, space, rest = predicate.partition(" ")
    return f"{count_text(number, one)} {verb_for(number, verb)}{space}{rest}"


def rows_text(rows: float) -> str:
    """``1 row``, ``1,000 rows``."""
    return count_text(int(rows), "row")


def all_text(number: int, one: str) -> str:
    """``1 row``, ``all 1,000 rows``."""
    return f"{'' if number == 1 else 'all '}{count_text(number, one)}"


def rows_that(rows: int, predicate: str) -> str:
    """``1 row holds NULL``, ``2 rows hold NULL``. ``predicate``: what is said of several."""
    return count_that(rows, "row", predicate)


def in_plural(text: str) -> str:
    """The text with ``1 row holds`` as ``1 rows hold``: beside another one, only the numbers differ. Plans of earlier
    releases say it so, and ``all 1 rows``."""
    if not _ONE.search(text):
        return text
    several = _SAID_OF_ONE.sub(lambda found: _FOR_MANY.get(found[1], "them"), text)
    return _ONE.sub(r"1 \1s", several)


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
