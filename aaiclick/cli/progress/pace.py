"""How fast a phase goes and how long it will take, as rich estimates it from the times that the events carry."""

from __future__ import annotations

from rich.progress import Progress as Estimates

from aaiclick.events import Progress

WINDOW = 600.0
"""Seconds that count for the rate: more than any one chunk should take."""


class Pace:
    """The rate of one phase. What was there when it began is no work of it."""

    def __init__(self, event: Progress) -> None:
        self._at = event.seconds
        self._estimates = Estimates(
            get_time=lambda: self._at, speed_estimate_period=WINDOW, auto_refresh=False, disable=True
        )
        self._begin(event)

    def _begin(self, event: Progress) -> None:
        self._task = self._estimates.add_task("", total=event.total or None, completed=event.done)
        # The first sample is where the rate is counted from.
        self._estimates.advance(self._task, 0)

    def add(self, event: Progress) -> None:
        """How far it has come. Where time, rows or their total have changed otherwise than by going on, the rate begins
        anew."""
        known = self._estimates.tasks[0]
        backwards = event.seconds < self._at or event.done < known.completed
        self._at = event.seconds
        if backwards or (event.total or None) != known.total:
            self._estimates.remove_task(known.id)
            self._begin(event)
        else:
            self._estimates.update(known.id, completed=event.done)

    @property
    def speed(self) -> float | None:
        """Rows (or parts) in a second; None before two samples lie apart."""
        return self._estimates.tasks[0].speed or None

    @property
    def left(self) -> float | None:
        """Seconds until all is done; None where that cannot be told."""
        return self._estimates.tasks[0].time_remaining


def unit_of(phase: str) -> str:
    """What a phase counts."""
    return "parts" if phase in ("mutation", "waiting") else "rows"
