"""All metrics, defined once for Prometheus, OpenTelemetry and docs/metrics.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Unit: TypeAlias = Literal["", "seconds", "bytes"]
Aggregation: TypeAlias = Literal["", "least", "most", "sum"]

# Bounds in seconds: a copy may take hours, a start with nothing to do takes milliseconds, and no fence should last.
_LONG = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
_SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_FENCE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: what it is called, and what it counts or says."""

    short: str
    """Its name without the library's prefix, unit and suffix."""
    kind: Kind
    """What Prometheus calls its type."""
    labels: tuple[str, ...]
    """Names of its labels."""
    help: str
    """What it says, in one sentence."""
    unit: Unit = ""
    """'' where things are counted."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in its unit."""
    together: Aggregation = ""
    """What a gauge says of databases that are counted together as ``other``: the worst of them, or their sum."""

    @property
    def name(self) -> str:
        """The name that Prometheus shows; of a histogram without ``_bucket``, ``_sum`` and ``_count``."""
        unit = f"_{self.unit}" if self.unit else ""
        return f"aaiclick_{self.short}{unit}{'_total' if self.kind == 'counter' else ''}"

    @property
    def dotted(self) -> str:
        """The name that OpenTelemetry is given: its exporters add unit and suffix themselves."""
        return f"aaiclick.{self.short}"


_RUN = ("schema", "command")
_DATABASE = ("schema", "database")

STARTED = Metric("migrations_started", "counter", _RUN, "Migrations and rollbacks that began to change something.")
APPLIED = Metric(
    "migrations_applied", "counter", _RUN, "Migrations and rollbacks that changed something and ended well."
)
REFUSED = Metric(
    "migrations_refused",
    "counter",
    (*_RUN, "error"),
    "Calls that ended because somebody has to decide: not allowed, blocked by the data, not recognised.",
)
FAILED = Metric("migrations_failed", "counter", (*_RUN, "error"), "Calls that ended with any other error.")
RUNNING = Metric(
    "migrations_running", "gauge", ("schema",), "Migrations and rollbacks that this process carries out now."
)
MIGRATION_SECONDS = Metric(
    "migration_duration", "histogram", _RUN, "Time of a call that changed something.", "seconds", _LONG
)
WARM_SECONDS = Metric(
    "warm_start_duration",
    "histogram",
    ("schema",),
    "Time of a call that found everything as recorded with its first query.",
    "seconds",
    _SHORT,
)
STEPS = Metric("steps", "counter", ("schema", "strategy"), "Steps that ended well.")
STEP_SECONDS = Metric("step_duration", "histogram", ("schema", "strategy"), "Time of a step.", "seconds", _LONG)
COPIED_ROWS = Metric("copied_rows", "counter", ("schema",), "Rows that were copied, or read to fill a view.")
COPIED_BYTES = Metric(
    "copied", "counter", ("schema",), "Size on disk of the parts that were read for a copy or to fill a view.", "bytes"
)
VERIFIED_ROWS = Metric("verified_rows", "counter", ("schema",), "Rows of copies whose checksums were compared.")
VERIFIED_BYTES = Metric(
    "verified", "counter", ("schema",), "Size on disk of the parts of copies whose checksums were compared.", "bytes"
)
CHUNK_SECONDS = Metric(
    "chunk_duration",
    "histogram",
    ("schema",),
    "Time of one chunk of a copy or of the fill of a view, comparison included.",
    "seconds",
    _LONG,
)
LEASE_WAITS = Metric("lease_waits", "counter", ("schema",), "Waits for another process that had the lease.")
LEASE_SECONDS = Metric("lease_wait_duration", "histogram", ("schema",), "Time of such a wait.", "seconds", _LONG)
TAKEOVERS = Metric(
    "lease_takeovers", "counter", ("schema",), "Leases of dead or silent processes that were taken over."
)
FENCE_SECONDS = Metric(
    "fence_duration",
    "histogram",
    ("schema",),
    "Time in which a table refused writers (table_readonly).",
    "seconds",
    _FENCE,
)
REFUSED_WRITERS = Metric(
    "refused_writers",
    "counter",
    ("schema",),
    "Statements that the server refused with error 774 between the two ends of a fence.",
)
DRIFT = Metric(
    "drift_found", "counter", ("schema",), "Calls that found tables other than recorded at the same version."
)
VERSION = Metric(
    "schema_version", "gauge", _DATABASE, "Version of the database; 0 where it is empty.", together="least"
)
EXPECTED = Metric("schema_expected_version", "gauge", _DATABASE, "Version that the code declares.", together="most")
IN_SYNC = Metric("schema_in_sync", "gauge", _DATABASE, "1 where the database is as declared, else 0.", together="least")
UNFINISHED = Metric(
    "unfinished_work",
    "gauge",
    _DATABASE,
    "1 where a run was begun and not brought to its end, else 0.",
    together="most",
)
FENCED = Metric(
    "fenced_tables", "gauge", _DATABASE, "Tables that refuse writers because a run keeps them out.", together="sum"
)
KEPT = Metric("kept_tables", "gauge", _DATABASE, "Old tables that are kept for a rollback.", together="sum")
KEPT_BYTES = Metric("kept_tables_size", "gauge", _DATABASE, "Size on disk of the kept tables.", "bytes", together="sum")
EXPIRES = Metric(
    "kept_tables_expiry_timestamp",
    "gauge",
    _DATABASE,
    "When the first of the kept tables is dropped; Unix time.",
    "seconds",
    together="least",
)
LOOKED = Metric(
    "status_timestamp",
    "gauge",
    _DATABASE,
    "When the database was last compared with the code; Unix time.",
    "seconds",
    together="least",
)
BUILD = Metric("build_info", "gauge", ("version",), "Always 1; the release of the library is its label.")
UP = Metric(
    "up", "gauge", _DATABASE, "Only in a metrics file: 1 where the status could be asked for, else 0.", together="least"
)
BUILD_IN_FILE = Metric("build_info", "gauge", (*_DATABASE, "version"), BUILD.help, together="least")
"""Two files with the same line would be an error for the collector that reads them."""

METRICS = (
    STARTED,
    APPLIED,
    REFUSED,
    FAILED,
    RUNNING,
    MIGRATION_SECONDS,
    WARM_SECONDS,
    STEPS,
    STEP_SECONDS,
    COPIED_ROWS,
    COPIED_BYTES,
    VERIFIED_ROWS,
    VERIFIED_BYTES,
    CHUNK_SECONDS,
    LEASE_WAITS,
    LEASE_SECONDS,
    TAKEOVERS,
    FENCE_SECONDS,
    REFUSED_WRITERS,
    DRIFT,
    VERSION,
    EXPECTED,
    IN_SYNC,
    UNFINISHED,
    FENCED,
    KEPT,
    KEPT_BYTES,
    EXPIRES,
    LOOKED,
    BUILD,
)
"""What a process that is instrumented shows."""
IN_FILE = (UP, VERSION, EXPECTED, IN_SYNC, UNFINISHED, FENCED, KEPT, KEPT_BYTES, EXPIRES, LOOKED, BUILD_IN_FILE)
"""What ``aaiclick status --metrics-file`` writes."""
