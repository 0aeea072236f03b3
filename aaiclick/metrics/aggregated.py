"""Gauges of databases that are not told apart, as one value: the worst of them, or their sum."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from aaiclick.metrics.catalogue import Metric

Labels = tuple[tuple[str, str], ...]


class AggregatedGauges:
    """What is known of many databases that share one line. Their number is not limited, so nothing here goes through
    all of them at each change."""

    def __init__(self) -> None:
        self._lines: dict[tuple[Metric, Labels], _Line] = {}

    def put(
        self, metric: Metric, labels: Mapping[str, str], member: tuple[str, str], value: float | None
    ) -> float | None:
        """The value of the line after one of its members has got another one (None: it has none any more)."""
        line = self._lines.setdefault((metric, tuple(labels.items())), _Line(metric))
        line.put(member, value)
        return line.value()


class _Line:
    def __init__(self, metric: Metric) -> None:
        self._sum = metric.together == "sum"
        self._sign = -1.0 if metric.together == "most" else 1.0
        self._values: dict[tuple[str, str], float] = {}
        self._total = 0.0
        self._heap: list[tuple[float, tuple[str, str]]] = []
        """What is or was the value of a member, the worst one first."""

    def put(self, member: tuple[str, str], value: float | None) -> None:
        before = self._values.pop(member, None)
        self._total -= before or 0.0
        if value is None:
            return
        self._values[member] = value
        self._total += value
        if not self._sum and value != before:
            heapq.heappush(self._heap, (self._sign * value, member))
            # Values of before stay in the heap until they come to its top. When half of it is old, it is made anew.
            if len(self._heap) > 2 * len(self._values) + 16:
                self._heap = [(self._sign * there, each) for each, there in self._values.items()]
                heapq.heapify(self._heap)

    def value(self) -> float | None:
        if not self._values:
            return None
        if self._sum:
            return self._total
        while self._values.get(self._heap[0][1]) != self._sign * self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._sign * self._heap[0][0]


def one_value(metric: Metric, values: Iterable[float | None]) -> float | None:
    """One value for these; None where none of them is known."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if metric.together == "sum":
        return sum(known)
    return max(known) if metric.together == "most" else min(known)
