"""Metrics of every run of the library in this process.

    from aaiclick.metrics import instrument

    instrument()  # once, before ensure_schema: into prometheus_client's own registry

Needs ``pip install 'aaiclick[metrics]'``. ``aaiclick.metrics.otel`` does the same for OpenTelemetry
(``aaiclick[otel]``), ``aaiclick.metrics.handler`` serves ``/metrics``. Nothing of it is imported unless it is called.
docs/metrics.md lists what is shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from aaiclick.errors import UsageError
from aaiclick.observers import Observer, forget, observe

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["Instrumentation", "instrument"]


class _Closing(Protocol):
    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Instrumentation:
    """What ``instrument`` began; ``close`` ends it."""

    registry: object
    """Where the metrics are."""
    _observers: tuple[Observer, ...] = field(repr=False)
    _sink: _Closing = field(repr=False)

    def close(self) -> None:
        """Count no more, and take the metrics out of the registry. Calls that run now are not counted any more."""
        with _lock:
            if _instrumented.get(id(self.registry)) is self:
                del _instrumented[id(self.registry)]
        # Before the metrics go: a call that ends meanwhile would count into a registry that has none.
        for observer in self._observers:
            forget(observer)
        self._sink.close()


_lock = threading.Lock()
# By identity, which holds as long as the entry does: it keeps the registry alive.
_instrumented: dict[int, Instrumentation] = {}


def instrument(registry: CollectorRegistry | None = None, *, label_values: int = 100) -> Instrumentation:
    """Count every call that begins from now on, in this process, into a registry of ``prometheus_client``.

    ``registry``: None is the one that ``prometheus_client`` serves by default. A second call with the same one changes
    nothing and returns what the first one did; each further registry is given all figures. ``label_values``: how many
    different schemas, and databases, are told apart; further ones are counted together as ``other``.

    Raises ``UsageError`` where ``prometheus_client`` is not installed, or the registry has such names already.
    """
    try:
        from aaiclick.metrics.prometheus import REGISTRY, PrometheusSink
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        raise UsageError("metrics need prometheus_client: pip install 'aaiclick[metrics]'") from error
    from aaiclick.metrics.recorder import Recorder, require_label_values

    require_label_values(label_values)
    if registry is not None and not hasattr(registry, "unregister"):
        raise UsageError(f"instrument was given {registry!r}: a CollectorRegistry of prometheus_client is wanted")
    chosen = registry if registry is not None else REGISTRY
    with _lock:
        there = _instrumented.get(id(chosen))
        if there is not None:
            return there
        sink = PrometheusSink(chosen)
        recorder = Recorder(sink, label_values)
        made = Instrumentation(chosen, (recorder,), sink)
        _instrumented[id(chosen)] = made
    observe(recorder)
    return made
