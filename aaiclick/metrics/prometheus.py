"""Figures for a Prometheus registry (``prometheus_client``)."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from aaiclick.errors import UsageError
from aaiclick.metrics.catalogue import BUILD, METRICS, RUNNING, Metric
from aaiclick.version import VERSION

__all__ = ["REGISTRY", "CollectorRegistry", "PrometheusSink"]


class PrometheusSink:
    """The library's metrics in one registry.

    Raises ``UsageError`` where something else has registered one of these names there.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._counters: dict[Metric, Counter] = {}
        self._gauges: dict[Metric, Gauge] = {}
        self._histograms: dict[Metric, Histogram] = {}
        try:
            for metric in METRICS:
                self._register(metric)
        except ValueError as error:
            # Takes out what was registered before the name that is taken.
            self.close()
            raise UsageError(
                f"this registry has metrics of these names already, from something else: {error}"
            ) from error
        self.set(BUILD, {"version": VERSION}, 1)

    def _register(self, metric: Metric) -> None:
        name, text, labels, registry = metric.name, metric.help, metric.labels, self._registry
        if metric.kind == "counter":
            self._counters[metric] = Counter(name, text, labels, registry=registry)
        elif metric.kind == "gauge":
            # With several processes behind one endpoint, the last word on a database is what counts.
            self._gauges[metric] = Gauge(
                name,
                text,
                labels,
                registry=registry,
                multiprocess_mode="livesum" if metric is RUNNING else "mostrecent",
            )
        else:
            self._histograms[metric] = Histogram(name, text, labels, registry=registry, buckets=metric.buckets)

    def add(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """Count up."""
        self._counters[metric].labels(**labels).inc(value)

    def observe(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """One value of a histogram; a clock that was set back gives no negative time."""
        self._histograms[metric].labels(**labels).observe(max(value, 0.0))

    def set(self, metric: Metric, labels: Mapping[str, str], value: float | None) -> None:
        """The present value of a gauge; None takes its line away."""
        gauge = self._gauges[metric]
        if value is not None:
            gauge.labels(**labels).set(value)
            return
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            gauge.labels(**labels).set(math.nan)  # what several processes share cannot be taken away
            return
        with contextlib.suppress(KeyError):
            gauge.remove(*(labels[name] for name in metric.labels))

    def shift(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """Add to a gauge."""
        self._gauges[metric].labels(**labels).inc(value)

    def close(self) -> None:
        """Take the metrics out of the registry."""
        for collector in (*self._counters.values(), *self._gauges.values(), *self._histograms.values()):
            with contextlib.suppress(KeyError):
                self._registry.unregister(collector)
