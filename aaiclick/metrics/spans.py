"""Calls and steps as spans of OpenTelemetry."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from aaiclick.commands.report import Report
from aaiclick.events import Compared, Event, Note, PlanReady, StepDone, StepStarted, Waiting
from aaiclick.metrics.labels import error_label
from aaiclick.version import VERSION


class Tracing:
    """An observer that makes spans: children of the span that is current where the call is made."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider

    def begun(self, call: str, schema: str) -> CallSpan:
        """A call begins. The tracer is asked for each time: the application may set its provider up after this."""
        tracer = trace.get_tracer("aaiclick", VERSION, self._provider)
        attributes = {"db.system.name": "clickhouse", **({"aaiclick.schema": schema} if schema else {})}
        return CallSpan(tracer, tracer.start_span(f"aaiclick {call.removesuffix('_async')}", attributes=attributes))


class CallSpan:
    """The span of a call, and that of the step which is under way."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._step: Span | None = None

    def event(self, event: Event) -> bool:
        """A step begins or ends; what is waited for, and what an operator should read, are events of the span."""
        match event:
            case Compared(database=database, state=state, differences=differences):
                self._span.set_attributes(
                    {"db.namespace": database, "aaiclick.state": state, "aaiclick.differences": differences}
                )
            case PlanReady(steps=steps, rows=rows):
                self._span.set_attributes({"aaiclick.steps": steps, "aaiclick.rows": rows})
            case StepStarted():
                self._begin(event)
            case StepDone(rows=rows):
                if self._step is not None:
                    self._step.set_attribute("aaiclick.rows", rows)
                self._end(None)
            case Waiting(what, seconds, ends):
                self._current.add_event("waiting", {"what": what, "seconds": seconds, "ends": ends})
            case Note(text, level):
                self._current.add_event("note", {"text": text, "level": level})
            case _:
                pass
        return False

    def ended(self, answer: object, error: BaseException | None) -> None:
        """The error belongs to the step that was under way, and to the call."""
        self._end(error)
        if isinstance(answer, Report):
            for name, version in (("from", answer.from_version), ("to", answer.to_version)):
                if version is not None:
                    self._span.set_attribute(f"aaiclick.{name}_version", version)
            self._span.set_attribute("db.namespace", answer.database)
        _close(self._span, error)

    @property
    def _current(self) -> Span:
        return self._step if self._step is not None else self._span

    def _begin(self, step: StepStarted) -> None:
        self._end(None)
        self._step = self._tracer.start_span(
            f"aaiclick step {step.strategy}",
            context=trace.set_span_in_context(self._span),
            attributes={
                "db.system.name": "clickhouse",
                "db.collection.name": step.object,
                "aaiclick.change": step.change,
                "aaiclick.strategy": step.strategy,
            },
        )

    def _end(self, error: BaseException | None) -> None:
        if self._step is not None:
            _close(self._step, error)
            self._step = None


def _close(span: Span, error: BaseException | None) -> None:
    if error is not None:
        span.set_attribute("error.type", error_label(error))
        span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()
