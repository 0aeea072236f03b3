"""Counts calls and their events. Nothing here knows where the figures are shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import aaiclick.metrics.catalogue as m
from aaiclick.commands.report import Report, Status
from aaiclick.errors import PlanError, SchemaError, UsageError
from aaiclick.events import (
    ChunkDone,
    Compared,
    Event,
    LeaseTakenOver,
    LeaseWaited,
    PlanReady,
    RefusalsCounted,
    StepDone,
    StepStarted,
    TableExchanged,
    WritersAdmitted,
    WritersRefused,
)
from aaiclick.metrics.aggregated import AggregatedGauges
from aaiclick.metrics.catalogue import METRICS, Metric
from aaiclick.metrics.labels import FAILURES, LABEL_VALUES, OTHER, REFUSALS, STRATEGIES, Bounded, error_label
from aaiclick.metrics.status import figures

COMMANDS = {
    f"{verb}_schema{twin}": command
    for verb, command in (("ensure", "migrate"), ("rollback", "rollback"))
    for twin in ("", "_async")
} | {"ensure_tenants": "migrate"}
"""The calls that change something, by the name of the command that does the same; one of many databases begins anew
for each."""
_VALUES: Mapping[Metric, Sequence[Mapping[str, str]]] = {
    m.REFUSED: [{"error": name} for name in REFUSALS],
    m.FAILED: [{"error": name} for name in FAILURES],
    m.STEPS: [{"strategy": name} for name in STRATEGIES],
}
"""Labels of counters that have more than schema and command."""


def require_label_values(given: object) -> None:
    """Raises ``UsageError`` where it is no number of things, or none."""
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise UsageError(f"label_values is {given!r}: a whole number is wanted, at least 1")


class Sink(Protocol):
    """Where figures go."""

    def add(self, metric: Metric, labels: Mapping[str, str], value: float, /) -> None:
        """Count up."""
        ...

    def observe(self, metric: Metric, labels: Mapping[str, str], value: float, /) -> None:
        """One value of a histogram."""
        ...

    def set(self, metric: Metric, labels: Mapping[str, str], value: float | None, /) -> None:
        """The present value of a gauge; None: there is none."""
        ...

    def shift(self, metric: Metric, labels: Mapping[str, str], value: float, /) -> None:
        """Add to a gauge."""
        ...


class Recorder:
    """An observer that counts."""

    def __init__(self, sink: Sink, label_values: int = LABEL_VALUES) -> None:
        self.sink = sink
        self._shown: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.schemas = Bounded("schema", label_values)
        self.databases = Bounded("database", label_values)
        self._together = AggregatedGauges()

    def begun(self, call: str, schema: str) -> CallRecorder:
        """A call begins."""
        command = COMMANDS.get(call, "")
        if command:
            self._show_zeros(self.schemas(schema), command)
        # Of many databases, those with nothing to do are found with one query: none of them has a time of its own.
        return CallRecorder(self, command, schema, timed=call != "ensure_tenants")

    def _show_zeros(self, schema: str, command: str) -> None:
        """Each counter that this call may raise is there with 0 before it does: most processes migrate once, and of a
        line that appears with 1 nobody sees that it grew."""
        with self._lock:
            if (schema, command) in self._shown:
                return
            self._shown.add((schema, command))
        for metric in METRICS:
            if metric.kind != "counter":
                continue
            labels = {"schema": schema, "command": command}
            of_metric = {name: labels[name] for name in metric.labels if name in labels}
            for more in _VALUES.get(metric, ({},)):
                self.sink.add(metric, {**of_metric, **more}, 0)

    def standing(self, schema: str, database: str, values: Mapping[Metric, float | None]) -> None:
        """Gauges of a database. One that is not told apart counts for the line of all the others."""
        labels = {"schema": self.schemas(schema), "database": self.databases(database)}
        if OTHER not in labels.values():
            for metric, value in values.items():
                self.sink.set(metric, labels, value)
            return
        with self._lock:  # what is shown has to be what was put in last
            for metric, value in values.items():
                self.sink.set(metric, labels, self._together.put(metric, labels, (schema, database), value))


class CallRecorder:
    """Counts one call, from its beginning to its end."""

    def __init__(self, recorder: Recorder, command: str, schema: str, timed: bool = True) -> None:
        self._recorder = recorder
        self._sink = recorder.sink
        self._command = command
        self._timed = timed
        self._name = schema
        self._schema = {"schema": recorder.schemas(schema)}
        self._begun = time.perf_counter()
        self._silent = True
        self._running = False
        self._compared: Compared | None = None
        self._fences: dict[tuple[str, str], float] = {}
        self._refusals: int | None = None

    def event(self, event: Event) -> bool:
        """Count it. True where refused writers are to be counted."""
        self._silent = False
        match event:
            case PlanReady() | StepStarted():
                self._start()
            case StepDone(strategy=strategy, seconds=seconds):
                labels = {**self._schema, "strategy": strategy}
                self._sink.add(m.STEPS, labels, 1)
                self._sink.observe(m.STEP_SECONDS, labels, seconds)
            case ChunkDone():
                self._chunk(event)
            case LeaseWaited(seconds=seconds):
                self._sink.add(m.LEASE_WAITS, self._schema, 1)
                self._sink.observe(m.LEASE_SECONDS, self._schema, seconds)
            case LeaseTakenOver():
                self._sink.add(m.TAKEOVERS, self._schema, 1)
            case Compared():
                self._compare(event)
            case WritersRefused(database, table):
                self._fences[database, table] = time.perf_counter()
                self._count_fences(database)
                return True
            case WritersAdmitted(database, table):
                return self._admit(database, table)
            case TableExchanged(database, table, writers_wait):
                return not writers_wait and self._admit(database, table)
            case RefusalsCounted(total):
                self._refuse(total)
            case _:
                pass
        return False

    def ended(self, answer: object, error: BaseException | None) -> None:
        """Count how it ended."""
        seconds = time.perf_counter() - self._begun
        for database, table in list(self._fences):
            # Who knows whether it is down: what ``Status`` finds in the database counts from now on.
            self._admit(database, table)
        if isinstance(answer, Status):
            self._look(answer)
        if not self._command:
            return
        labels = {**self._schema, "command": self._command}
        if self._running:
            self._sink.shift(m.RUNNING, self._schema, -1)
            self._sink.observe(m.MIGRATION_SECONDS, labels, seconds)
        if error is not None:
            refused = isinstance(error, SchemaError | PlanError)
            self._sink.add(m.REFUSED if refused else m.FAILED, {**labels, "error": error_label(error)}, 1)
            if self._compared is not None and self._running:
                self._recorder.standing(self._name, self._compared.database, {m.UNFINISHED: 1.0})
        elif isinstance(answer, Report):
            self._report(answer, labels, seconds)

    def _start(self) -> None:
        if not self._running and self._command:
            self._sink.shift(m.RUNNING, self._schema, 1)
            self._running = True
            self._sink.add(m.STARTED, {**self._schema, "command": self._command}, 1)

    def _report(self, report: Report, labels: Mapping[str, str], seconds: float) -> None:
        if self._running:
            self._sink.add(m.APPLIED, labels, 1)
        elif self._timed and self._silent and report.in_sync and not report.notes:
            self._sink.observe(m.WARM_SECONDS, self._schema, seconds)
        if not report.in_sync:
            return
        values = {m.VERSION: _number(report.to_version), m.IN_SYNC: 1.0}
        # A call that changed something ended what was begun; a silent one found with its first query that nothing was.
        if self._running or self._silent:
            values[m.UNFINISHED] = 0.0
        if self._command == "migrate":
            # A rollback goes where the code that calls it does not want to be.
            values[m.EXPECTED] = _number(report.to_version)
        else:
            values[m.IN_SYNC] = 0.0
        self._recorder.standing(report.schema, report.database, values)

    def _look(self, status: Status) -> None:
        if status.state == "drift":
            self._sink.add(m.DRIFT, {"schema": self._recorder.schemas(status.schema)}, 1)
        self._recorder.standing(status.schema, status.database, figures(status, time.time()))

    def _compare(self, event: Compared) -> None:
        if self._compared is None and event.state == "drift":
            self._sink.add(m.DRIFT, self._schema, 1)
        self._compared = event
        values = {
            m.VERSION: _number(event.live_version),
            m.EXPECTED: _number(event.code_version),
            m.IN_SYNC: float(event.state == "in sync"),
        }
        self._recorder.standing(self._name, event.database, values)

    def _chunk(self, event: ChunkDone) -> None:
        self._sink.observe(m.CHUNK_SECONDS, self._schema, event.seconds)
        self._sink.add(m.COPIED_ROWS, self._schema, event.rows)
        self._sink.add(m.COPIED_BYTES, self._schema, event.bytes)
        if event.verified:
            self._sink.add(m.VERIFIED_ROWS, self._schema, event.rows)
            self._sink.add(m.VERIFIED_BYTES, self._schema, event.bytes)

    def _admit(self, database: str, table: str) -> bool:
        raised = self._fences.pop((database, table), None)
        if raised is None:
            return False
        self._sink.observe(m.FENCE_SECONDS, self._schema, time.perf_counter() - raised)
        self._count_fences(database)
        return True

    def _count_fences(self, database: str) -> None:
        there = sum(each == database for each, _ in self._fences)
        self._recorder.standing(self._name, database, {m.FENCED: float(there)})

    def _refuse(self, total: int) -> None:
        before, self._refusals = self._refusals, total
        # The first reading is where the fence went up. A server that was started anew counts from 0 again.
        if before is not None and total > before:
            self._sink.add(m.REFUSED_WRITERS, self._schema, total - before)
        if not self._fences:
            self._refusals = None


def _number(version: int | None) -> float | None:
    return None if version is None else float(version)
