"""What OpenTelemetry's own SDK is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from aaiclick import Policy, ensure_schema
from aaiclick.errors import SchemaVersionError
from aaiclick.metrics import otel
from aaiclick.metrics.catalogue import APPLIED, COPIED_BYTES, STEP_SECONDS, VERSION
from tests.metrics.schemas import V1, V2, V3


class Telemetry:
    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def figures(self) -> dict[str, tuple[str | None, list[tuple[dict[str, object], object]]]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: (
                metric.unit,
                [
                    (dict(point.attributes or {}), point.value if isinstance(point, NumberDataPoint) else point.count)
                    for point in metric.data.data_points
                ],
            )
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    instrumentation = otel.instrument(made.tracers, made.meters)
    assert otel.instrument(made.tracers, made.meters) is instrumentation
    yield made
    instrumentation.close()
    made.tracers.shutdown()
    made.meters.shutdown()


def test_spans_and_metrics(telemetry: Telemetry, aaiclick_client: Client) -> None:
    tracer = telemetry.tracers.get_tracer("application")
    with tracer.start_as_current_span("start-up"):
        ensure_schema(aaiclick_client, V2)
    aaiclick_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(100)")
    ensure_schema(aaiclick_client, V3, policy=Policy.lossless())
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V1.model_copy(update={"version": 4}), policy=Policy.check())

    spans = telemetry.spans()
    application = next(span for span in spans if span.name == "start-up")
    calls = [span for span in spans if span.name == "aaiclick ensure_schema"]
    steps = [span for span in spans if span.name.startswith("aaiclick step ")]
    assert [span.name for span in steps] == ["aaiclick step create"] * 3 + ["aaiclick step rebuild"]
    assert calls[0].parent is not None
    assert calls[0].parent.span_id == application.context.span_id
    assert all(step.parent is not None and step.parent.span_id == calls[0].context.span_id for step in steps[:3])
    assert steps[3].parent is not None
    assert steps[3].parent.span_id == calls[1].context.span_id
    assert dict(calls[1].attributes or {})["aaiclick.to_version"] == 3
    assert dict(steps[3].attributes or {})["aaiclick.rows"] == 100
    assert calls[2].status.status_code is StatusCode.ERROR
    assert dict(calls[2].attributes or {})["error.type"] == "SchemaVersionError"

    figures = telemetry.figures()
    assert figures[APPLIED.dotted] == ("1", [({"schema": "shop", "command": "migrate"}, 2)])
    assert figures[STEP_SECONDS.dotted][0] == "s"
    assert figures[COPIED_BYTES.dotted][0] == "By"
    assert figures[VERSION.dotted][1] == [({"schema": "shop", "database": aaiclick_client.database}, 3)]
    assert figures["aaiclick.migrations_running"][1] == [({"schema": "shop"}, 0)]


def test_without_an_sdk_nothing_happens(aaiclick_client: Client) -> None:
    instrumentation = otel.instrument()
    assert ensure_schema(aaiclick_client, V1).in_sync
    instrumentation.close()
