"""How long a command took."""

from __future__ import annotations

from aaiclick.routine import Clock, Routine


def now() -> Routine[float]:
    """Unix seconds, by the clock of this machine."""
    rows = yield Clock()
    return float(rows[0][0] or 0)
