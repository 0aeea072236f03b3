"""The same figures, and a trace of every call, through OpenTelemetry's API alone.

    from aaiclick.metrics import otel

    otel.instrument()  # once, before ensure_schema: whatever SDK the application has set up gets them

Needs ``pip install 'aaiclick[otel]'``. Without an SDK the API does nothing with what it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from aaiclick.errors import UsageError
from aaiclick.metrics.catalogue import BUILD, METRICS, RUNNING, Metric
from aaiclick.metrics.labels import LABEL_VALUES
from aaiclick.metrics.recorder import Recorder, require_label_values
from aaiclick.observers import Observer, forget, observe
from aaiclick.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, UpDownCounter
    from opentelemetry.trace import TracerProvider

__all__ = ["Instrumentation", "instrument"]

_UNITS = {"": "1", "seconds": "s", "bytes": "By"}
_lock = threading.Lock()
_instrumented: dict[tuple[int, int], Instrumentation] = {}


class Instrumentation:
    """What ``instrument`` began; ``close`` ends it."""

    def __init__(self, key: tuple[int, int], kept: tuple[object, ...], observers: tuple[Observer, ...]) -> None:
        self._key = key
        self._kept = kept  # the providers: an identity holds for as long as its object does
        self._observers = observers

    def close(self) -> None:
        """Tell OpenTelemetry no more. Calls that run now are followed to their end."""
        with _lock:
            if _instrumented.get(self._key) is self:
                del _instrumented[self._key]
        for observer in self._observers:
            forget(observer)


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    label_values: int = LABEL_VALUES,
) -> Instrumentation:
    """Give OpenTelemetry the figures of docs/metrics.md, and a span for every call and for each of its steps.

    None stands for the provider that the application has made the global one. A second call with the same ones changes
    nothing. Raises ``UsageError`` where ``opentelemetry-api`` is not installed.
    """
    try:
        from opentelemetry import metrics

        from aaiclick.metrics.spans import Tracing
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise UsageError("traces need opentelemetry-api: pip install 'aaiclick[otel]'") from error
    require_label_values(label_values)
    key = (id(tracer_provider), id(meter_provider))
    with _lock:
        there = _instrumented.get(key)
        if there is not None:
            return there
        sink = _Sink(metrics.get_meter("aaiclick", VERSION, meter_provider))
        sink.set(BUILD, {"version": VERSION}, 1)
        observers: tuple[Observer, ...] = (Recorder(sink, label_values), Tracing(tracer_provider))
        made = Instrumentation(key, (tracer_provider, meter_provider), observers)
        _instrumented[key] = made
    for observer in observers:
        observe(observer)
    return made


class _Gauge(Protocol):
    """The API shows the class of its gauges under no public name."""

    def set(self, amount: float, attributes: Mapping[str, str] | None = None, /) -> None: ...


class _Sink:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        self._counters: dict[Metric, Counter] = {}
        self._histograms: dict[Metric, Histogram] = {}
        self._gauges: dict[Metric, _Gauge] = {}
        self._running: UpDownCounter = meter.create_up_down_counter(RUNNING.dotted, "1", RUNNING.help)
        for metric in METRICS:
            unit = _UNITS[metric.unit]
            if metric.kind == "counter":
                self._counters[metric] = meter.create_counter(metric.dotted, unit, metric.help)
            elif metric.kind == "histogram":
                self._histograms[metric] = meter.create_histogram(
                    metric.dotted, unit, metric.help, explicit_bucket_boundaries_advisory=list(metric.buckets)
                )
            elif metric is not RUNNING:
                self._gauges[metric] = meter.create_gauge(metric.dotted, unit, metric.help)

    def add(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """Count up."""
        self._counters[metric].add(value, dict(labels))

    def observe(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """One value of a histogram."""
        self._histograms[metric].record(max(value, 0.0), dict(labels))

    def set(self, metric: Metric, labels: Mapping[str, str], value: float | None) -> None:
        """The present value of a gauge. The API cannot take a value away, so the last one stays."""
        if value is not None:
            self._gauges[metric].set(value, dict(labels))

    def shift(self, metric: Metric, labels: Mapping[str, str], value: float) -> None:
        """Add to a gauge."""
        self._running.add(value, dict(labels))
