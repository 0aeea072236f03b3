"""What real runs count."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from prometheus_client import CollectorRegistry, generate_latest

from aaiclick import Policy, Schema, ensure_schema, forget, plan_schema, rollback_schema, validate_schema
from aaiclick.errors import ApplyError, SchemaAheadError, SchemaVersionError, UsageError
from aaiclick.events import Event, LeaseTakenOver, LeaseWaited, TableExchanged, Waiting, WritersAdmitted, WritersRefused
from aaiclick.lease.acquire import Lease, Owner, acquire, release, this_process
from aaiclick.metrics import instrument
from aaiclick.metrics.catalogue import METRICS, UNFINISHED
from aaiclick.metrics.prometheus import PrometheusSink
from aaiclick.routine import run
from aaiclick.tenants import ensure_tenants
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine, fresh_name
from tests.metrics.conftest import Registry
from tests.metrics.schemas import V1, V2, V3, table
from tests.support.session_connection import SessionConnection, session

LOSSLESS = Policy.lossless()
SHOP = {"schema": "shop"}
MIGRATE = {**SHOP, "command": "migrate"}


@pytest.fixture
def connection(aaiclick_engine: EmbeddedEngine) -> Iterator[SessionConnection]:
    with session(aaiclick_engine.path) as opened:
        yield opened


def test_a_whole_life(registry: Registry, aaiclick_client: Client, aaiclick_engine: EmbeddedEngine) -> None:
    """Created, warm, copied behind a fence that refuses a writer, looked at, drifted, refused, and back."""
    database = str(aaiclick_client.database)
    place = {**SHOP, "database": database}
    ensure_schema(aaiclick_client, V2)
    assert registry.of("aaiclick_steps_total", **SHOP, strategy="create") == 3
    assert registry.of("aaiclick_schema_version", **place) == 2
    assert registry.of("aaiclick_warm_start_duration_seconds_count", **SHOP) is None
    ensure_schema(aaiclick_client, V2)
    assert registry.of("aaiclick_warm_start_duration_seconds_count", **SHOP) == 1
    assert registry.of("aaiclick_migrations_started_total", **MIGRATE) == 1

    aaiclick_client.command("INSERT INTO t SELECT number, toString(number), '' FROM numbers(1000)")
    refused: list[str] = []
    told: list[Event] = []
    seen: list[float | None] = []

    def write_behind_the_fence(event: Event) -> None:
        told.append(event)
        if isinstance(event, WritersRefused):
            seen.append(registry.of("aaiclick_fenced_tables", **place))
        if isinstance(event, TableExchanged):
            assert event.writers_wait
            for _ in range(3):
                with pytest.raises(DatabaseError, match="774"):
                    aaiclick_engine.client(database).command("INSERT INTO t VALUES (1, 'x', '')")
                refused.append("t")

    ensure_schema(aaiclick_client, V3, policy=LOSSLESS, on_event=write_behind_the_fence)
    assert len(refused) == 3
    assert seen == [1]
    assert any(isinstance(event, WritersAdmitted) for event in told)
    assert registry.of("aaiclick_fenced_tables", **place) == 0
    assert registry.of("aaiclick_fence_duration_seconds_count", **SHOP) == 1
    length = registry.of("aaiclick_fence_duration_seconds_sum", **SHOP)
    whole = registry.of("aaiclick_migration_duration_seconds_sum", **MIGRATE)
    assert length is not None
    assert whole is not None
    assert 0 < length < whole
    assert registry.of("aaiclick_refused_writers_total", **SHOP) == 3
    assert (
        registry.of("aaiclick_copied_rows_total", **SHOP) == registry.of("aaiclick_verified_rows_total", **SHOP) == 1000
    )
    copied = registry.of("aaiclick_copied_bytes_total", **SHOP)
    assert copied == registry.of("aaiclick_verified_bytes_total", **SHOP)
    assert copied is not None
    assert copied > 1000
    assert registry.of("aaiclick_chunk_duration_seconds_count", **SHOP) == 1
    assert registry.of("aaiclick_step_duration_seconds_count", **SHOP, strategy="rebuild") == 1
    assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 2
    assert registry.of("aaiclick_migrations_running", **SHOP) == 0

    status = validate_schema(aaiclick_client, V3)
    assert registry.of("aaiclick_kept_tables", **place) == len(status.kept_tables) == 1
    assert registry.of("aaiclick_kept_tables_size_bytes", **place) == status.kept_tables[0].bytes
    looked = registry.of("aaiclick_status_timestamp_seconds", **place)
    expires = registry.of("aaiclick_kept_tables_expiry_timestamp_seconds", **place)
    assert looked is not None
    assert expires is not None
    assert 23 * 3600 < expires - looked <= 24 * 3600

    aaiclick_client.command("ALTER TABLE t DROP COLUMN note")
    assert validate_schema(aaiclick_client, V3).state == "drift"
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V3, policy=Policy.check())
    assert registry.of("aaiclick_drift_found_total", **SHOP) == 2
    assert registry.of("aaiclick_schema_in_sync", **place) == 0
    assert registry.of("aaiclick_migrations_refused_total", **MIGRATE, error="SchemaVersionError") == 1
    assert registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="SchemaVersionError") is None
    aaiclick_client.command("ALTER TABLE t ADD COLUMN note String")
    ensure_schema(aaiclick_client, V3)

    with pytest.raises(SchemaAheadError):
        plan_schema(aaiclick_client, V2)
    rollback_schema(aaiclick_client, V3, dry_run=True)
    back = {**SHOP, "command": "rollback"}
    assert not registry.of("aaiclick_migrations_started_total", **back)
    rollback_schema(aaiclick_client, V3, allow=["partial shop", "values t", "deletes t"])
    assert registry.of("aaiclick_migrations_started_total", **back) == 1
    assert registry.of("aaiclick_migrations_applied_total", **back) == 1
    assert registry.of("aaiclick_schema_version", **place) == 2
    assert registry.of("aaiclick_schema_in_sync", **place) == 0


def test_each_of_many_databases_counts(registry: Registry, aaiclick_client: Client) -> None:
    names = [f"{fresh_name('tenants')}_{number}" for number in range(2)]
    for name in names:
        aaiclick_client.command(f"CREATE DATABASE {name}")
    try:
        ensure_tenants(aaiclick_client, V1, names)
        assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 2
        ensure_tenants(aaiclick_client, V1, names)
        assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 2
        assert registry.of("aaiclick_warm_start_duration_seconds_count", **SHOP) is None
        places = [{**SHOP, "database": name} for name in names]
        assert [registry.of("aaiclick_schema_version", **place) for place in places] == [1, 1]
        assert [registry.of("aaiclick_schema_in_sync", **place) for place in places] == [1, 1]
        assert [registry.of("aaiclick_unfinished_work", **place) for place in places] == [0, 0]
    finally:
        for name in names:
            aaiclick_client.command(f"DROP DATABASE {name}")


def test_a_run_that_failed_half_way_leaves_work(registry: Registry, aaiclick_client: Client) -> None:
    place = {**SHOP, "database": str(aaiclick_client.database)}
    ensure_schema(aaiclick_client, V1)

    def fail(event: Event) -> None:
        if type(event).__name__ == "StepStarted":
            raise ValueError("a watcher that fails")

    with pytest.raises(ValueError, match="a watcher that fails"):
        ensure_schema(aaiclick_client, V2, on_event=fail)
    assert registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="other") == 1
    assert registry.of(UNFINISHED.name, **place) == 1
    assert registry.of("aaiclick_migrations_running", **SHOP) == 0
    ensure_schema(aaiclick_client, V2)
    assert registry.of(UNFINISHED.name, **place) == 0
    assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 2


def test_what_may_be_counted_is_shown_with_0_before_it_is(registry: Registry, aaiclick_client: Client) -> None:
    """So that Prometheus sees the first failure of a process grow."""
    seen: list[object] = []

    def before(event: Event) -> None:
        if type(event).__name__ == "PlanReady":
            seen.extend(
                [
                    registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="other"),
                    registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="ApplyError"),
                    registry.of("aaiclick_migrations_refused_total", **MIGRATE, error="BlockedError"),
                    registry.of("aaiclick_migrations_applied_total", **MIGRATE),
                    registry.of("aaiclick_steps_total", **SHOP, strategy="rebuild"),
                    registry.of("aaiclick_copied_bytes_total", **SHOP),
                    registry.of("aaiclick_drift_found_total", **SHOP),
                ]
            )

    ensure_schema(aaiclick_client, V1, on_event=before)
    assert seen == [0] * 7
    # No call has asked for a rollback, and no refusal is a failure.
    assert registry.of("aaiclick_migrations_applied_total", **SHOP, command="rollback") is None
    assert registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="BlockedError") is None


def test_calls_that_do_not_even_reach_a_database(registry: Registry) -> None:
    with pytest.raises(UsageError):
        ensure_schema("nonsense://", V1)
    assert registry.of("aaiclick_migrations_failed_total", **MIGRATE, error="UsageError") == 1
    assert registry.of("aaiclick_migrations_started_total", **MIGRATE) == 0


def held(connection: SessionConnection, database: str, owner: Owner) -> Lease:
    lease = run(acquire(database, owner), connection)
    assert lease is not None
    return lease


def test_leases(registry: Registry, aaiclick_client: Client, connection: SessionConnection) -> None:
    database = str(aaiclick_client.database)
    ours = held(connection, database, this_process())
    told: list[Event] = []

    def give_back(event: Event) -> None:
        told.append(event)
        if isinstance(event, Waiting):
            run(release(ours), connection)

    ensure_schema(aaiclick_client, V1, on_event=give_back)
    waits = [event for event in told if isinstance(event, LeaseWaited)]
    assert [(wait.database, wait.taken) for wait in waits] == [(database, True)]
    assert registry.of("aaiclick_lease_waits_total", **SHOP) == 1
    assert registry.of("aaiclick_lease_wait_duration_seconds_sum", **SHOP) == waits[0].seconds
    assert registry.of("aaiclick_lease_takeovers_total", **SHOP) == 0

    told.clear()
    held(connection, database, Owner("anne", "host-a", 1))
    ensure_schema(aaiclick_client, V2, on_event=told.append)
    taken = [event for event in told if isinstance(event, LeaseTakenOver)]
    assert [event.owner.partition("@")[0] for event in taken] == ["anne"]
    assert registry.of("aaiclick_lease_takeovers_total", **SHOP) == 1
    assert registry.of("aaiclick_lease_waits_total", **SHOP) == 1


def test_instrumented_twice_counts_once_and_two_registries_both_count(
    registry: Registry, aaiclick_client: Client
) -> None:
    assert instrument(registry) is instrument(registry)
    other = CollectorRegistry()
    second = instrument(other)
    ensure_schema(aaiclick_client, V1)
    second.close()
    ensure_schema(aaiclick_client, V2)
    assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 2
    assert generate_latest(other) == b""
    again = instrument(other)
    assert again is not second
    second.close()  # a second time: nothing more
    assert instrument(other) is again
    again.close()


def test_names_that_are_taken_are_refused_and_nothing_is_left() -> None:
    from prometheus_client import Gauge

    mine = CollectorRegistry()
    Gauge("aaiclick_kept_tables", "somebody else's", registry=mine)
    for _ in range(2):
        with pytest.raises(UsageError, match="aaiclick_kept_tables"):
            instrument(mine)
    assert generate_latest(mine).count(b"# TYPE") == 1


def test_an_observer_that_fails_is_reported_and_ends_nothing(
    registry: Registry, aaiclick_client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_sink: object, _metric: object, _labels: object, value: float) -> None:
        if value:
            raise RuntimeError("no room for another sample")

    monkeypatch.setattr(PrometheusSink, "add", broken)
    with caplog.at_level(logging.WARNING, "aaiclick"):
        assert ensure_schema(aaiclick_client, V1).in_sync
    assert "an observer failed on StepDone; the run goes on" in caplog.text
    assert registry.of("aaiclick_migrations_running", **SHOP) == 0


def test_labels_do_not_grow_without_end(aaiclick_client: Client, caplog: pytest.LogCaptureFixture) -> None:
    mine = Registry()
    instrumentation = instrument(mine, label_values=2)
    with caplog.at_level(logging.WARNING, "aaiclick"):
        for number in range(4):
            schema = Schema(
                f"tenant{number}", version=1, objects=[table("a").model_copy(update={"name": f"t{number}"})]
            )
            ensure_schema(aaiclick_client, schema)
    instrumentation.close()
    ended = instrument(mine, label_values=2)
    ended.close()
    assert caplog.text.count("the others are counted as 'other'") == 1


def test_what_is_beyond_the_limit_is_counted_together(aaiclick_client: Client) -> None:
    mine = Registry()
    instrumentation = instrument(mine, label_values=1)
    for name in ("one", "two", "three"):
        schema = Schema(name, version=1, objects=[table("a").model_copy(update={"name": f"t_{name}"})])
        ensure_schema(aaiclick_client, schema)
    assert mine.of("aaiclick_migrations_applied_total", schema="one", command="migrate") == 1
    assert mine.of("aaiclick_migrations_applied_total", schema="other", command="migrate") == 2
    told = {
        sample.labels["schema"] for metric in mine.collect() for sample in metric.samples if "schema" in sample.labels
    }
    assert told == {"one", "other"}
    assert not [metric for metric in METRICS if set(metric.labels) & {"table", "object", "step", "query"}]
    instrumentation.close()
    for wrong in (0, 1.5, "many", True, None):
        with pytest.raises(UsageError, match="label_values is"):
            instrument(Registry(), label_values=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a CollectorRegistry of prometheus_client is wanted"):
        instrument("registry")  # type: ignore[arg-type]


def test_several_processes_behind_one_endpoint(tmp_path: Path, aaiclick_server: EngineServer) -> None:
    """Counters are added up, of a gauge the last word counts, and nothing is said about what cannot be taken away."""
    aaiclick_server.command("CREATE DATABASE metrics_of_many")
    program = f"""
import sys, warnings
warnings.simplefilter("error")
from aaiclick import ensure_schema, validate_schema
from aaiclick.metrics import instrument
from tests.metrics import schemas
instrument()
schema = getattr(schemas, sys.argv[1])
url = {f"{aaiclick_server.url}/metrics_of_many"!r}
validate_schema(url, schema)
assert ensure_schema(url, schema).in_sync
"""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for version in ("V1", "V2"):
        subprocess.run([sys.executable, "-c", program, version], env=env, check=True, cwd=Path(__file__).parents[2])
    code = "from aaiclick.metrics import handler; e = {'PATH_INFO': '/metrics'}; print(handler.wsgi()(e, print)[0].decode())"
    shown = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
    assert 'aaiclick_migrations_applied_total{command="migrate",schema="shop"} 2.0' in shown
    assert 'aaiclick_schema_version{database="metrics_of_many",schema="shop"} 2.0' in shown
    aaiclick_server.command("DROP DATABASE metrics_of_many")


def test_threads_count_each_run_once(
    registry: Registry, aaiclick_client: Client, aaiclick_engine: EmbeddedEngine
) -> None:
    forget()
    database = str(aaiclick_client.database)
    errors: list[BaseException] = []

    def start() -> None:
        try:
            ensure_schema(aaiclick_engine.client(database), V1)
        except ApplyError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert registry.of("aaiclick_migrations_applied_total", **MIGRATE) == 1
    assert registry.of("aaiclick_steps_total", **SHOP, strategy="create") == 1
    assert registry.of("aaiclick_migrations_running", **SHOP) == 0
