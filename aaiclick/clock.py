"""The clock of the machine that runs this."""

from __future__ import annotations

from aaiclick.routine import Clock, Routine


def clock() -> Routine[float]:
    """Unix seconds."""
    rows = yield Clock()
    return float(rows[0][0] or 0)
