"""How fast this server copies and rewrites: what earlier runs took, or what a sample takes now, or what is usual.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

Origin: TypeAlias = Literal["remembered", "measured", "assumed"]
WORTH_REMEMBERING = 16 << 20
"""Steps of fewer bytes say how long the statements take, not the rows."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Compressed bytes in a second: the slowest, the usual and the fastest that is expected; and how that is known."""

    slow: float
    usual: float
    fast: float
    origin: Origin

    def seconds(self, size: int) -> tuple[float, float, float]:
        """Shortest, usual and longest time for so many bytes."""
        return size / self.fast, size / self.usual, size / self.slow


ASSUMED = Rate(12.0 * 2**20, 40.0 * 2**20, 160.0 * 2**20, "assumed")
"""A copy with its comparison on two cores: 160 MiB of numbers, 12 MiB of wide rows that are packed well."""


@dataclass(frozen=True, slots=True)
class StepDuration:
    """What a step of an earlier run took."""

    strategy: str
    bytes: int
    seconds: float


def measured_rate(taken: Iterable[StepDuration], strategy: str) -> Rate | None:
    """The rate of earlier steps of that kind; None where none was large enough to tell."""
    rates = [
        each.bytes / each.seconds
        for each in taken
        if each.strategy == strategy and each.bytes >= WORTH_REMEMBERING and each.seconds > 0
    ]
    if not rates:
        return None
    # Another table has other columns: one run tells less than several.
    spread = 2.0 if len(rates) == 1 else 1.5
    return Rate(min(rates) / spread, median(rates), max(rates) * spread, "remembered")


def measured(size: float, seconds: float) -> Rate:
    """The rate of a sample of that many bytes."""
    rate = size / max(seconds, 1e-3)
    # A sample lies in memory and is written to no slow disk; on the other hand its few blocks keep few cores busy.
    return Rate(rate / 2.5, rate, rate * 2.0, "measured")


def middle_rate(rates: Sequence[Rate]) -> Rate:
    """One rate for a table that was not measured, of those that were; the assumed one where none was."""
    if not rates:
        return ASSUMED
    usual = median(rate.usual for rate in rates)
    return Rate(min(rate.slow for rate in rates) / 2, usual, max(rate.fast for rate in rates) * 2, rates[0].origin)
