"""Numbers as people read them. Pure."""

from __future__ import annotations


def rows_text(rows: float) -> str:
    """``1 row``, ``1,000 rows``."""
    whole = int(rows)
    return f"{whole:,} row" if whole == 1 else f"{whole:,} rows"


def short_text(number: float) -> str:
    """A count where there is little room: ``950``, ``1.5M``, ``12.3k``, ``2.0G``."""
    value, unit = float(number), ""
    for unit in ("", "k", "M", "G", "T"):
        # 999.95 would print as 1000.0 of the smaller unit.
        if abs(value) < (999.5 if unit == "" else 999.95) or unit == "T":
            break
        value /= 1000
    return f"{value:.1f}{unit}" if unit else f"{value:.0f}"


def seconds_text(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for limit, upper, lower, high, low in ((3600, 60, 1, "min", "s"), (86400, 3600, 60, "h", "min")):
        if whole < 60:
            return f"{whole} s"
        if whole < limit:
            return _two(whole // upper, high, whole % upper // lower, low)
    return _two(whole // 86400, "d", whole % 86400 // 3600, "h")


def _two(high: int, high_unit: str, low: int, low_unit: str) -> str:
    return f"{high} {high_unit} {low} {low_unit}" if low else f"{high} {high_unit}"


def count_text(number: int, one: str, many: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{number:,} {one if number == 1 else many}"
