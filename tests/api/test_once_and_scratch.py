"""The second call is free, plans leave nothing behind, a client stays as it was."""

from __future__ import annotations

import asyncio
import gc

import pytest
from clickhouse_connect.driver.client import Client

from aaiclick import (
    Column,
    MergeTree,
    Policy,
    Schema,
    Table,
    ensure_schema,
    ensure_schema_async,
    forget,
    plan_schema,
    validate_schema,
)
from aaiclick.errors import SchemaVersionError, SpecError
from aaiclick.testing import EngineServer
from aaiclick.testing.engine import EmbeddedEngine

V1 = Schema(
    "app",
    version=1,
    objects=[Table("t", [Column("a", "UInt64"), Column("b", "String")], engine=MergeTree(order_by=["a"]))],
)
V2 = Schema(
    "app",
    version=2,
    objects=[Table("t", [Column("a", "UInt64"), Column("b", "String")], engine=MergeTree(order_by=["b"]))],
)


def names(client: Client) -> list[str]:
    rows = client.query(
        "SELECT database || '.' || name FROM system.tables WHERE database NOT IN ('system', 'information_schema', "
        "'INFORMATION_SCHEMA') ORDER BY 1"
    )
    databases = client.query("SELECT name FROM system.databases WHERE name LIKE '%scratch%'").result_rows
    return [str(row[0]) for row in rows.result_rows] + [str(row[0]) for row in databases]


def test_the_second_call_in_a_process_sends_no_query(aaiclick_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    first = ensure_schema(aaiclick_client, V1, once=True)
    with monkeypatch.context() as patch:
        patch.setattr("aaiclick.api.ensure.run_on_client", None)
        second = ensure_schema(aaiclick_client, V1, once=True)
    assert (second.to_version, second.steps, second.in_sync) == (first.to_version, (), True)
    forget()
    with monkeypatch.context() as patch:
        patch.setattr("aaiclick.api.ensure.run_on_client", None)
        with pytest.raises(TypeError):
            ensure_schema(aaiclick_client, V1, once=True)


def test_what_was_remembered_is_for_one_client_database_and_declaration_and_failures_are_not_remembered(
    aaiclick_engine: EmbeddedEngine, aaiclick_client: Client
) -> None:
    forget()
    ensure_schema(aaiclick_client, V1, once=True)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V2, policy=Policy.safe(), once=True)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V2, policy=Policy.safe(), once=True)
    ensure_schema(aaiclick_client, V2, policy=Policy.lossless(), once=True)
    from aaiclick.api import once

    other = aaiclick_engine.client()
    assert once.recall(other, V2, None) is None
    ensure_schema(other, V1, once=True)
    assert once.recall(other, V1, None) is not None
    known = len(once._clients)
    other.close()
    del other
    gc.collect()
    assert len(once._clients) == known - 1
    aaiclick_engine.command(
        "DROP TABLE IF EXISTS default.t; DROP TABLE IF EXISTS default.schema_version; DROP TABLE IF EXISTS "
        "default._aaiclick_lease"
    )


def test_plans_and_checks_write_nothing_and_leave_nothing(aaiclick_client: Client) -> None:
    ensure_schema(aaiclick_client, V1)
    before = names(aaiclick_client)
    assert [step.strategy for step in plan_schema(aaiclick_client, V2).steps] == ["rebuild"]
    validate_schema(aaiclick_client, V2)
    with pytest.raises(SchemaVersionError):
        ensure_schema(aaiclick_client, V2, policy=Policy.check())
    wrong = Table("t", [Column("a", "NoSuchType")], engine=MergeTree(order_by=[]))
    with pytest.raises(SpecError, match="t"):
        plan_schema(aaiclick_client, Schema("app", version=2, objects=[wrong]))
    assert names(aaiclick_client) == before


def test_a_plan_without_scratch_is_rehearsed_elsewhere_and_says_so(
    aaiclick_server: EngineServer, aaiclick_server_database: str
) -> None:
    client = aaiclick_server.client(database=aaiclick_server_database)
    ensure_schema(client, V1)
    plan = plan_schema(client, V2, scratch=False)
    assert plan.advisory
    assert "advisory" in str(plan)
    assert [step.strategy for step in plan.steps] == ["rebuild"]
    client.close()


def test_sync_and_async_work_inside_a_running_loop(aaiclick_client: Client) -> None:
    async def both() -> tuple[int | None, int | None]:
        first = ensure_schema(aaiclick_client, V1)
        second = await ensure_schema_async(aaiclick_client, V2, policy=Policy.lossless())
        return first.to_version, second.to_version

    assert asyncio.run(both()) == (1, 2)


def test_the_current_database_and_settings_of_the_client_stay(aaiclick_client: Client) -> None:
    aaiclick_client.command("SET max_threads = 1")
    database = aaiclick_client.command("SELECT currentDatabase()")
    ensure_schema(aaiclick_client, V1)
    ensure_schema(aaiclick_client, V2, policy=Policy.lossless())
    assert aaiclick_client.command("SELECT currentDatabase()") == database
    assert str(aaiclick_client.command("SELECT getSetting('max_threads')")) == "1"
